"""How good a partition is: silhouette, stability, routability, purity; it changes no partition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from torch import nn

from moesaic.data import Normaliser, Split
from moesaic.seeds import derive_seed
from moesaic.structure._partition import Partition, cluster, silhouette
from moesaic.training import Recipe, cross_entropy_objective, fit, predict_logits


@dataclass(frozen=True)
class Quality:
    """What is known of a partition.

    Attributes:
        sizes: training samples in every cluster, (M,).
        silhouette: -1 .. 1, on the embedding.
        stability: mean adjusted Rand index between the partition and clusterings of resamples,
            <= 1; None for one that was not found by clustering.
        routability: held-out accuracy of a gate-sized network at naming the cluster, 0 .. 1.
        purity_labels: share of validation samples in their cluster's commonest class.
        purity_domains: the same for domains; None where none are known.
    """

    sizes: tuple[int, ...]
    silhouette: float
    stability: float | None
    routability: float
    purity_labels: float
    purity_domains: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return asdict(self)


@dataclass(frozen=True)
class Routing:
    """What a gate-sized network makes of a partition.

    Attributes:
        train: int64 (N_train,), the cluster it names for every training sample.
        validation: int64 (N_val,), the same for the validation samples.
        confusion: (M, M), share of cluster m's validation samples that it calls cluster n.
        accuracy: share of validation samples whose cluster it names.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    confusion: NDArray[np.float64]
    accuracy: float


def purity(clusters: NDArray[np.int64], names: NDArray[np.int64]) -> float:
    """Return the share of samples that belong to the commonest name of their cluster."""
    if len(clusters) == 0:
        return 0.0
    table = np.zeros((clusters.max() + 1, names.max() + 1), np.int64)
    np.add.at(table, (clusters, names), 1)
    return float(table.max(axis=1).sum() / len(clusters))


def stability(
    points: NDArray[np.float64],
    count: int,
    method: str,
    seed: int,
    resamples: int = 5,
    share: float = 0.8,
    partition: NDArray[np.int64] | None = None,
) -> float:
    """Return the mean adjusted Rand index, on all samples, of clusterings found in resamples.

    Args:
        points: (N, D), the embedding.
        count: M, before any were merged.
        method: the clusterer's name.
        seed: seeds the resamples and the clusterings.
        resamples: how many resamples are clustered; all pairs are compared.
        share: share of the samples in a resample.
        partition: the cluster of every sample, (N,), to compare each with in place of all pairs.
            Where some of it were merged, so are those of a resample that lie in one of them.
    """
    if count < 2:
        return 1.0
    fitted = []
    for index in range(resamples):
        draw = derive_seed(seed, "stability", index)
        chosen = np.random.default_rng(draw).permutation(len(points))[: int(share * len(points))]
        if len(chosen) <= count:
            return 0.0
        found = cluster(points[chosen], points, count=count, method=method, seed=draw)
        fitted.append(found.validation)
    if partition is not None:
        if int(partition.max()) + 1 < count:
            fitted = [_merged_alike(found, partition) for found in fitted]
        return float(np.mean([adjusted_rand_score(partition, found) for found in fitted]))
    scores = [
        adjusted_rand_score(fitted[i], fitted[j])
        for i in range(resamples)
        for j in range(i + 1, resamples)
    ]
    return float(np.mean(scores))


def _merged_alike(found: NDArray[np.int64], partition: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each sample, the cluster of the partition that most of its own cluster is in."""
    table = np.zeros((int(found.max()) + 1, int(partition.max()) + 1), np.int64)
    np.add.at(table, (found, partition), 1)
    merged: NDArray[np.int64] = table.argmax(axis=1)[found]
    return merged


def probe_routing(
    partition: Partition,
    train: Split,
    validation: Split,
    normaliser: Normaliser,
    probe: Callable[[int], nn.Module],
    recipe: Recipe,
    seed: int,
) -> Routing:
    """Train a gate-sized network to name the clusters and look at what it cannot tell apart.

    Args:
        partition: M clusters.
        train: its inputs are what the network learns from.
        validation: held out from the network.
        normaliser: applied to the inputs.
        probe: builds the network for M outputs.
        recipe: how it is trained.
        seed: seeds its weights and batches.
    """
    torch.manual_seed(seed)
    network = probe(partition.count)
    lesson = Split(train.inputs, torch.from_numpy(partition.train))
    objective = cross_entropy_objective(network, recipe, seed=seed)
    fit(network, objective, lesson, normaliser, recipe, seed=seed)
    named = [
        predict_logits(network, split.inputs, normaliser).argmax(dim=1).numpy().astype(np.int64)
        for split in (train, validation)
    ]
    confusion = np.zeros((partition.count, partition.count))
    np.add.at(confusion, (partition.validation, named[1]), 1.0)
    confusion /= np.maximum(confusion.sum(axis=1, keepdims=True), 1.0)
    accuracy = float((named[1] == partition.validation).mean()) if len(named[1]) else 0.0
    return Routing(named[0], named[1], confusion, accuracy)


def merge_indistinct(partition: Partition, routing: Routing, most: float = 0.25) -> Partition:
    """Merge clusters that a gate-sized network confuses with each other.

    Args:
        partition: M clusters.
        routing: what a gate-sized network made of it.
        most: two clusters stay apart while the mean of the shares confused, each with the other,
            is at most this.
    """
    mutual = (routing.confusion + routing.confusion.T) / 2
    group = np.arange(partition.count, dtype=np.int64)
    for first in range(partition.count):
        for second in range(first + 1, partition.count):
            if mutual[first, second] > most:
                group[group == group[second]] = group[first]
    return partition.relabel(group)


def assess(
    partition: Partition,
    points: NDArray[np.float64],
    validation: Split,
    *,
    method: str | None,
    routability: float,
    seed: int,
    count: int | None = None,
) -> Quality:
    """Measure a partition.

    Args:
        partition: what is judged.
        points: (N_train, D), the embedding it was found in.
        validation: gives labels and, where known, domains.
        method: the clusterer's name; None where nothing was clustered.
        routability: what `probe_routing` measured.
        seed: seeds the resamples.
        count: of clusters before any were merged, where some were.
    """
    steady = None
    if method is not None:
        found = partition.count if count is None else count
        steady = stability(points, found, method, seed, partition=partition.train)
    domains = validation.domains
    return Quality(
        sizes=tuple(int(size) for size in partition.sizes),
        silhouette=silhouette(points, partition.train, seed),
        stability=steady,
        routability=routability,
        purity_labels=purity(partition.validation, validation.labels.numpy()),
        purity_domains=None if domains is None else purity(partition.validation, domains.numpy()),
    )
