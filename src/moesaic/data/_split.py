"""Stratified division of what a source read into train, validation and test; it reads no files."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

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
    classes, counts = np.unique(labels, return_counts=True)
    quota = np.where(counts > 1, counts * share, 0.0)
    take = np.floor(quota).astype(np.int64)
    left = round(len(labels) * share) - int(take.sum())
    # Ties between equal remainders are broken by the draw, not by the order of the classes.
    order = np.lexsort((rng.random(len(classes)), take - quota))
    roomy = order[(take < counts - 1)[order] & (quota > take)[order]]
    take[roomy[: max(left, 0)]] += 1
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    held = [rng.permutation(group)[:n] for group, n in zip(members, take, strict=True)]
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(held)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def divide(name: str, raw: RawData, seed: int) -> Dataset:
    """Return the three splits of a source: its own where it has them, the others drawn.

    Without a test split 20 % is drawn for it; without a validation split 20 % of what is left. The
    draw depends on the seed and the source's own labels only, so a source is divided in the same
    way alone and joined to others.

    Raises:
        InputError: too few samples a class to fill a split.
    """
    train, validation, test = raw.train, raw.validation, raw.test
    if test is None:
        train, test = _draw(name, "test", train, seed, 0)
    if validation is None:
        train, validation = _draw(name, "validation", train, seed, 1)
    held = set(validation.labels.tolist()) | set(test.labels.tolist())
    unknown = [raw.classes[label] for label in sorted(held - set(train.labels.tolist()))]
    notes = raw.notes
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


def _draw(name: str, part: str, split: Split, seed: int, index: int) -> tuple[Split, Split]:
    """Hold out one split of another, refusing when nothing can be held out."""
    rng = generator(seed, "split", index)
    kept, held = stratified_holdout(split.labels.numpy(), HELD_OUT, rng)
    if len(held) == 0:
        raise InputError(
            f"'{name}' has too few samples a class ({len(split)} in all) to hold out a {part} "
            "split: give at least five samples of every class"
        )
    return split.take(torch.from_numpy(kept)), split.take(torch.from_numpy(held))
