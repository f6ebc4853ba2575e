"""Stratified division of what a source read into train, validation and test; it reads no files."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moesaic.data._dataset import Dataset, Split
from moesaic.data._source import RawData
from moesaic.errors import InputError
from moesaic.seeds import generator

HELD_OUT = 0.2


def stratified_holdout(
    labels: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw a stratified part of the samples.

    Of a class with n samples, share * n are held out, rounded up or down so that the whole comes to
    share * N; a class with one sample is never held out.

    Args:
        labels: classes (N,).
        share: part to hold out, between 0 and 1.
        rng: draws which samples.

    Returns:
        Sorted indices (kept, held out); together every sample exactly once.
    """
    _, counts = np.unique(labels, return_counts=True)
    take = _take(counts, share, rng)
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    held = [rng.permutation(group)[:n] for group, n in zip(members, take, strict=True)]
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(held)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def grouped_holdout(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw a stratified part of the samples that divides no group.

    Groups are taken in random order, each where no class comes to more than `stratified_holdout`
    holds out of it; so a group of more than that stays. Where every group is larger, the smallest
    one without which every class has samples left is held out.

    Args:
        labels: classes (N,).
        groups: which samples belong together (N,), any whole numbers.
        share: part to hold out, between 0 and 1.
        rng: draws which groups.

    Returns:
        Sorted indices (kept, held out); together every sample exactly once. None is held out where
        no group can be spared.
    """
    _, label = np.unique(labels, return_inverse=True)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    counts = np.bincount(label)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    left = _take(counts, share, rng)
    wanted = int(left.sum())
    chosen = np.zeros(len(labels), dtype=bool)
    order = rng.permutation(len(sizes))
    for place in order:
        classes, each = np.unique(label[members[place]], return_counts=True)
        if (each <= left[classes]).all():
            left[classes] -= each
            chosen[members[place]] = True
    if wanted and not chosen.any():
        for place in order[np.argsort(sizes[order], kind="stable")]:
            classes, each = np.unique(label[members[place]], return_counts=True)
            if (each < counts[classes]).all():
                chosen[members[place]] = True
                break
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _take(counts: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how many to hold out of classes with `counts` samples (C,), share * N in all."""
    quota = np.where(counts > 1, counts * share, 0.0)
    take = np.floor(quota).astype(np.int64)
    left = round(int(counts.sum()) * share) - int(take.sum())
    # Ties between equal remainders are broken by the draw, not by the order of the classes.
    order = np.lexsort((rng.random(len(counts)), take - quota))
    roomy = order[(take < counts - 1)[order] & (quota > take)[order]]
    take[roomy[: max(left, 0)]] += 1
    return take


def divide(name: str, raw: RawData, seed: int) -> Dataset:
    """Return the three splits of a source: its own where it has them, the others drawn.

    Without a test split 20 % is drawn for it; without a validation split 20 % of what is left. No
    group of samples is divided. The draw depends on the seed and the source's own labels and groups
    only, so a source is divided in the same way alone and joined to others.

    Raises:
        InputError: too few samples a class to fill a split.
    """
    train, validation, test, groups = raw.train, raw.validation, raw.test, raw.groups
    if test is None:
        train, test, groups = _draw(name, "test", train, groups, seed, 0)
    if validation is None:
        train, validation, groups = _draw(name, "validation", train, groups, seed, 1)
    notes = raw.notes
    if raw.groups is not None:
        count = len(torch.unique(raw.groups))
        drawn = raw.test is None or raw.validation is None
        notes += (
            f"{count:,} groups of samples, none divided by a split that was drawn"
            if drawn
            else "groups are not used: test and validation splits are given",
        )
    held = set(validation.labels.tolist()) | set(test.labels.tolist())
    unknown = [raw.classes[label] for label in sorted(held - set(train.labels.tolist()))]
    if unknown:
        notes += (f"no training sample of {', '.join(unknown)}: no model can get them right",)
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=test,
        classes=raw.classes,
        domain_names=raw.domain_names,
        skipped=raw.skipped,
        notes=notes,
    )


def _draw(
    name: str, part: str, split: Split, groups: Tensor | None, seed: int, index: int
) -> tuple[Split, Split, Tensor | None]:
    """Hold out one split of another, refusing when nothing can be held out.

    Returns:
        (kept, held out, groups of what is kept).
    """
    rng = generator(seed, "split", index)
    labels = split.labels.numpy()
    if groups is None:
        kept, held = stratified_holdout(labels, HELD_OUT, rng)
        fault = f"too few samples a class ({len(split)} in all)"
        need = "give at least five samples of every class"
    else:
        kept, held = grouped_holdout(labels, groups.numpy(), HELD_OUT, rng)
        fault = f"too few groups for its {len(split)} samples"
        need = f"no group can be spared: give more groups than {len(torch.unique(groups))}"
    if len(held) == 0:
        raise InputError(f"'{name}' has {fault} to hold out a {part} split: {need}")
    left = torch.from_numpy(kept)
    others = None if groups is None else groups[left]
    return split.take(left), split.take(torch.from_numpy(held)), others
