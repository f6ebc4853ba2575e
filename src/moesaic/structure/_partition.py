"""Clustering an embedding into a partition; how good it is is judged elsewhere."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier

from moesaic.errors import InputError, unknown_name

CLUSTERERS = ("kmeans", "gaussian", "hdbscan")
_SILHOUETTE_SAMPLES = 2000


@dataclass(frozen=True)
class Partition:
    """The assignment of every training and validation sample to one cluster.

    Attributes:
        train: int64 (N_train,), cluster ids 0 .. count - 1.
        validation: int64 (N_val,), by the same rule.
        count: M, the number of clusters.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    count: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of training samples (M,) in every cluster."""
        return np.bincount(self.train, minlength=self.count).astype(np.int64)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share (M,) of the training samples in every cluster."""
        return self.sizes / max(1, len(self.train))

    @property
    def measured(self) -> int:
        """Number of clusters that validation samples fall into."""
        return len(np.unique(self.validation))

    def relabel(self, mapping: NDArray[np.int64]) -> Partition:
        """Return the partition with cluster m renamed to mapping[m], ids made contiguous."""
        _, contiguous = np.unique(mapping, return_inverse=True)
        lookup = contiguous.astype(np.int64)
        return Partition(
            lookup[self.train], lookup[self.validation], int(lookup.max(initial=-1)) + 1
        )


def whiten(
    train: NDArray[np.float32], validation: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardise every coordinate by the training split's mean and deviation."""
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    deviation[deviation < 1e-8] = 1.0
    return (train - mean) / deviation, (validation - mean) / deviation


def cluster(
    train: NDArray[np.float64],
    validation: NDArray[np.float64],
    *,
    count: int | None,
    method: str = "kmeans",
    seed: int = 0,
    most: int = 8,
    measured: int = 1,
) -> Partition:
    """Cluster an embedding.

    Args:
        train: (N_train, D), what the clusters are found in.
        validation: (N_val, D), assigned to the clusters found.
        count: M, or None to choose the M of 2 to `most` with the best silhouette; fewer are
            returned where the samples have fewer distinct values.
        method: `kmeans`, `gaussian` or `hdbscan` (which finds its own M).
        seed: seeds the clustering.
        most: the largest M tried when none is given.
        measured: fewest clusters that validation samples must fall into for an M to be chosen,
            if any M allows it.

    Raises:
        InputError: unknown method, or fewer samples than clusters.
    """
    if method not in CLUSTERERS:
        raise unknown_name("clusterer", method, CLUSTERERS)
    if count is not None and count > len(train):
        raise InputError(
            f"{count} clusters were asked of {len(train)} training samples: "
            "lower --clusters or give more data"
        )
    if method == "hdbscan":
        return _hdbscan(train, validation)
    if count is not None:
        return _centred(train, validation, count, method, seed)
    candidates = range(2, min(most, len(train) - 1) + 1)
    tried = [_centred(train, validation, number, method, seed) for number in candidates]
    if not tried:
        return _whole(train, validation)
    usable = [one for one in tried if one.measured >= measured] or tried
    return max(usable, key=lambda partition: silhouette(train, partition.train, seed))


def silhouette(points: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> float:
    """Return the mean silhouette of at most 2,000 samples, -1 .. 1; 0 for one cluster."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(points))[:_SILHOUETTE_SAMPLES]
    found = len(np.unique(labels[chosen]))
    if not 2 <= found < len(chosen):
        return 0.0
    return float(silhouette_score(points[chosen], labels[chosen]))


def _centred(
    train: NDArray[np.float64],
    validation: NDArray[np.float64],
    count: int,
    method: str,
    seed: int,
) -> Partition:
    state = seed % 2**32
    if method == "kmeans":
        model = KMeans(count, n_init=10, random_state=state)
    else:
        model = GaussianMixture(
            count, covariance_type="diag", reg_covar=1e-4, n_init=3, random_state=state
        )
    with warnings.catch_warnings():
        # samples with fewer distinct values than clusters: what is empty is dropped below
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        model.fit(train)
    return _occupied(train, validation, model.predict(train), model.predict(validation))


def _occupied(
    train: NDArray[np.float64],
    validation: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> Partition:
    """Return the partition without clusters that hold no training sample."""
    names, contiguous = np.unique(first, return_inverse=True)
    centres = np.stack([train[first == name].mean(axis=0) for name in names])
    known = np.isin(second, names)
    lost = cdist(validation[~known], centres).argmin(axis=1)
    assigned = np.searchsorted(names, second).astype(np.int64)
    assigned[~known] = lost
    return Partition(contiguous.astype(np.int64), assigned, len(names))


def _hdbscan(train: NDArray[np.float64], validation: NDArray[np.float64]) -> Partition:
    smallest = max(5, len(train) // 50)
    if len(train) < smallest:
        return _whole(train, validation)
    labels = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(train)
    dense = labels >= 0
    if not dense.any():
        return _whole(train, validation)
    # a cluster may have any shape, so what lies outside joins the nearest sample, not centre;
    # noise does too: a partition leaves no sample out
    nearest = KNeighborsClassifier(1).fit(train[dense], labels[dense])
    assigned = labels.astype(np.int64)
    if not dense.all():
        assigned[~dense] = nearest.predict(train[~dense])
    return Partition(assigned, nearest.predict(validation).astype(np.int64), int(labels.max()) + 1)


def _whole(train: NDArray[np.float64], validation: NDArray[np.float64]) -> Partition:
    return Partition(np.zeros(len(train), np.int64), np.zeros(len(validation), np.int64), 1)
