"""From a bank to a mixture, the same way for every strategy of the toy benchmark.

Groups of clusters: those the strategy found, or, where it finds none, those of the exact selection of K
experts from the bank. Finalists of a group: the architecture with the least loss on it in every
stratum of the space. Each is trained from scratch, with seeds of its own, on the group and on the group
without a third of its clusters, each third in turn. Of those whose validation accuracy is within a
standard error of the best, the one wins that knows best the clusters it did not see. It is trained once
more, longer. At the end the exact selection decides among those experts who serves which cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._toy_data import World
from benchmarks._toy_experts import LONG, Trained, Trainer
from moesaic.bank import Observation
from moesaic.seeds import generator
from moesaic.selection import select
from moesaic.spaces import Architecture, SearchSpace

FOLDS = 3
FINALISTS = 6
EXPERTS = 2
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
        chosen = _verified(trainer, world, candidates, mask, seed + group)
        winners.append((chosen, tuple(bool(value) for value in mask)))
    final = [one for one in trainer.train("final", winners, LONG) if one is not None]
    final_loss = np.stack([np.where(counts > 0, one.observation.loss, 0.0) for one in final])
    routing = np.asarray(select(final_loss, weight, len(final)).routing).argmax(axis=1)
    for cluster in np.flatnonzero(counts == 0):  # nothing was measured there
        routing[cluster] = groups[cluster]
    served = routing[world.validation_clusters]
    answers = np.stack([one.answers for one in final])[served, np.arange(len(served))]
    accuracy = float((answers == world.validation.labels.numpy()).mean())
    architectures = tuple(one.observation.trial.architecture for one in final)
    return Mixture(tuple(a for a in architectures if a is not None), routing, accuracy)


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
    wanted = [
        (architecture, tuple(bool(value) for value in subset))
        for architecture in candidates
        for subset in subsets
    ]
    trained = trainer.train("verify", wanted)
    labels, clusters = world.validation.labels.numpy(), world.validation_clusters
    own, unseen = [], []
    for place in range(len(candidates)):
        runs = trained[place * len(subsets) : (place + 1) * len(subsets)]
        own.append(_share_right(runs[0], labels, mask[clusters]))
        parts = [
            (_share_right(run, labels, np.isin(clusters, fold)), int(np.isin(clusters, fold).sum()))
            for run, fold in zip(runs[1:], folds, strict=True)
        ]
        total = max(1, sum(count for _, count in parts))
        unseen.append(sum(share * count for share, count in parts) / total)
    best = max(own)
    samples = max(1, int(mask[clusters].sum()))
    error = float(np.sqrt(max(best * (1.0 - best), 1.0 / samples) / samples))
    kept = [place for place in range(len(candidates)) if own[place] >= best - error]
    return candidates[max(kept, key=lambda place: (unseen[place], own[place], -place))]


def _share_right(
    trained: Trained | None, labels: NDArray[np.int64], where: NDArray[np.bool_]
) -> float:
    """Return the accuracy on some of the samples, 0 for a failed training or none of them."""
    if trained is None or not where.any():
        return 0.0
    return float((trained.answers == labels)[where].mean())
