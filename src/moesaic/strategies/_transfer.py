"""Groups of clusters by what experts know of clusters they never saw; it trains nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FLOOR = 1e-4


def transfer_matrix(masks: Bools, accuracy: Floats) -> Floats:
    """Return how much training on cluster j teaches about cluster m: T[j, m].

    The mean accuracy on m of the experts that saw j and not m, an expert of n clusters counting
    1 / n^2: what it knows may come from any of the n. The accuracy and not the loss, because the
    loss of a network far from what it saw says how far that is, not what it knows.

    Args:
        masks: (E, M), what every expert was trained on.
        accuracy: (E, M) of every expert on every cluster; NaN where it was not measured.

    Returns:
        (M, M) in 0 .. 1; 0 where no expert can tell, and on the diagonal.
    """
    unseen = ~masks & np.isfinite(accuracy)
    weight = masks / np.maximum(masks.sum(axis=1, keepdims=True), 1) ** 2
    sums = weight.T @ np.where(unseen, accuracy, 0.0)
    counts = weight.T @ unseen.astype(np.float64)
    found: Floats = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return found


def spectral_groups(transfer: Floats, groups: int, seed: int, mutual: bool = False) -> Ints:
    """Cut the graph of transfers into groups that know little of each other (normalised cut).

    Clusters that no chain of transfers joins fall apart first: one pure cluster may teach nothing
    about another, and both belong to the region between them that teaches about either.

    Args:
        transfer: (M, M) from `transfer_matrix`.
        groups: K.
        seed: of the k-means that reads the groups off the eigenvectors.
        mutual: whether an edge is the geometric mean of both directions instead of the
            arithmetic one. Where every cluster was trained on alone, both are known, and one
            that is zero says more than the accident that made the other large.

    Returns:
        (M,), the groups numbered by their first cluster.

    Raises:
        InputError: K is not 1 .. M.
    """
    clusters = len(transfer)
    if not 1 <= groups <= clusters:
        raise InputError(f"{groups} groups of {clusters} clusters: choose 1 to M")
    if groups in (1, clusters):
        return np.arange(clusters) % groups
    from sklearn.cluster import KMeans

    both = np.sqrt(transfer * transfer.T) if mutual else (transfer + transfer.T) / 2
    affinity = both + _FLOOR
    np.fill_diagonal(affinity, 0.0)
    scale = 1.0 / np.sqrt(affinity.sum(axis=1))
    _, vectors = np.linalg.eigh(affinity * scale[:, None] * scale)
    places = vectors[:, -groups:] * scale[:, None]
    places /= np.abs(places).max(axis=0)
    labels = KMeans(groups, n_init=20, random_state=seed % 2**32).fit_predict(places)
    return number_groups(labels.astype(np.int64))


def number_groups(labels: Ints) -> Ints:
    """Return the same groups, numbered by their first cluster."""
    order = {label: rank for rank, label in enumerate(dict.fromkeys(labels.tolist()))}
    return np.array([order[label] for label in labels.tolist()], dtype=np.int64)
