"""From a bank to a mixture, the same way for every strategy of the toy benchmark.

Groups of clusters: those the strategy found, or, where it finds none, those of the exact selection
of K experts from the bank. Finalists of a group: the architecture of least loss on it in every
stratum of the space. Each is trained from scratch, with seeds of its own, on the group and on the
group without a third of its clusters, each third in turn. What counts is what it knows of the
clusters it saw and, in the other three trainings, of those it did not see. Of the architectures
that are not proven less accurate than the best on the same samples (sign test, one-sided 5 %), the
one wins that bends least, then the one of least loss. It is trained once more, longer, and serves
its group. An expert may do well on a cluster whose classes it never saw, by an accident of
extrapolation; it does not serve that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks._toy_data import World
from benchmarks._toy_experts import Trained, Trainer
from moesaic.bank import Observation
from moesaic.seeds import generator
from moesaic.selection import select
from moesaic.spaces import Architecture, SearchSpace

FOLDS = 3
FINALISTS = 6
EXPERTS = 2
VERIFY_STEPS = 240
FINAL_STEPS = 600
_WRONG = 20.0  # nats, for a training that failed
_LEVEL = 0.05
# what the assembly trains at most: finalists with their folds, and the experts themselves
RESERVED = EXPERTS * (FINALISTS * (FOLDS + 1) + 1)


@dataclass(frozen=True)
class Mixture:
    """K experts and who serves which cluster.

    Attributes:
        experts: their architectures.
        routing: (M,) the expert of every cluster.
        accuracy: of the mixture on the validation split, routed by the nearest centroid.
    """

    experts: tuple[Architecture, ...]
    routing: NDArray[np.int64]
    accuracy: float


def assemble(
    trainer: Trainer,
    world: World,
    space: SearchSpace,
    bank: list[Observation],
    groups: NDArray[np.int64] | None,
    seed: int,
) -> Mixture:
    """Choose, verify and train the experts of a mixture.

    Args:
        trainer: counts what is trained here.
        world: the data; its oracle is not read.
        space: names the strata.
        bank: what the strategy's trainings measured.
        groups: (M,) the strategy's own, or None.
        seed: of the folds.
    """
    counts = np.bincount(world.validation_clusters, minlength=len(world.weight))
    weight = np.where(counts > 0, world.weight, 0.0)
    loss = np.stack([np.where(counts > 0, one.loss, 0.0) for one in bank])
    if groups is None:
        groups = np.asarray(select(loss, weight, EXPERTS).routing).argmax(axis=1)
    winners = []
    for group in range(EXPERTS):
        mask = groups == group
        if not mask.any():
            mask = groups >= 0  # a collapsed routing: its idle expert sees everything
        candidates = _finalists(space, bank, loss[:, mask] @ weight[mask])
        chosen = _verified(trainer, world, space, candidates, mask, seed + group)
        winners.append((chosen, tuple(bool(value) for value in mask)))
    final = trainer.train("final", winners, FINAL_STEPS)
    served = groups[world.validation_clusters]
    right = np.zeros(len(served), dtype=bool)
    for group, trained in enumerate(final):
        if trained is not None:
            right |= (served == group) & (trained.answers == world.validation.labels.numpy())
    return Mixture(tuple(one for one, _ in winners), groups, float(right.mean()))


def _finalists(
    space: SearchSpace, bank: list[Observation], loss: NDArray[np.float64]
) -> list[Architecture]:
    """Return the architecture of least loss of every stratum, best first."""
    best: dict[str, Architecture] = {}
    for row in np.argsort(loss, kind="stable"):
        architecture = bank[int(row)].trial.architecture
        if architecture is not None:
            best.setdefault(space.stratum(architecture), architecture)
    return list(best.values())[:FINALISTS]


def _verified(
    trainer: Trainer,
    world: World,
    space: SearchSpace,
    candidates: list[Architecture],
    mask: NDArray[np.bool_],
    seed: int,
) -> Architecture:
    """Train the candidates on a group and its thinned copies and return the one to keep."""
    members = np.flatnonzero(mask)
    order = members[generator(seed, "toy/folds", 0).permutation(len(members))]
    folds = [order[fold::FOLDS] for fold in range(min(FOLDS, len(order)) if len(order) > 1 else 0)]
    subsets = [mask.copy() for _ in range(len(folds) + 1)]
    for subset, fold in zip(subsets[1:], folds, strict=True):
        subset[fold] = False
    trained = trainer.train(
        "verify",
        [
            (architecture, tuple(bool(value) for value in subset))
            for architecture in candidates
            for subset in subsets
        ],
        VERIFY_STEPS,
    )
    where = [np.isin(world.validation_clusters, fold) for fold in [members, *folds]]
    labels = world.validation.labels.numpy()
    bends = space.feature_names.index("bends on the longest")
    rows = []
    for place, architecture in enumerate(candidates):
        runs = trained[place * len(subsets) : (place + 1) * len(subsets)]
        right, loss = _judged(runs, where, labels)
        rows.append((right, float(space.features(architecture)[bends]), loss))
    best = max(rows, key=lambda row: float(row[0].mean()))[0]
    kept = [place for place, (right, *_) in enumerate(rows) if not _proven_worse(right, best)]
    return candidates[min(kept, key=lambda place: rows[place][1:])]


def _proven_worse(right: NDArray[np.bool_], best: NDArray[np.bool_]) -> bool:
    """Whether one is right less often than another on the same samples, by a sign test at 5 %."""
    gains, losses = int((right & ~best).sum()), int((best & ~right).sum())
    if losses <= gains:
        return False
    return float(binomtest(gains, gains + losses, alternative="less").pvalue) < _LEVEL


def _judged(
    runs: Sequence[Trained | None], where: list[NDArray[np.bool_]], labels: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], float]:
    """Return which samples some trainings are right on, and their mean loss in nats.

    Each training is judged on samples of its own, one after the other.
    """
    right = [
        np.zeros(int(here.sum()), dtype=bool) if run is None else (run.answers == labels)[here]
        for run, here in zip(runs, where, strict=True)
    ]
    loss = [
        np.full(int(here.sum()), _WRONG) if run is None else run.losses[here]
        for run, here in zip(runs, where, strict=True)
    ]
    return np.concatenate(right), float(np.concatenate(loss).mean()) if len(loss) else _WRONG
