"""Joining clusters into fewer groups by Ward's criterion; it finds no clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError


def join_clusters(centres: ArrayLike, sizes: ArrayLike, groups: int) -> NDArray[np.int64]:
    """Return the group (M,) of every cluster when they are joined into `groups`.

    Ward's criterion on the samples: the two groups are joined whose union adds least to the
    squared distances of samples to their centre, n_a n_b / (n_a + n_b) |c_a - c_b|^2. The sizes
    matter: without them a small cluster far from the rest counts like a third of the data. The
    groups are nested: those for one more divide one of these.

    Args:
        centres: (M, F).
        sizes: (M,) training samples of every cluster, positive.
        groups: how many; M or more: every cluster is its own.

    Returns:
        int64 (M,), groups numbered by their first cluster.

    Raises:
        InputError: shapes that do not fit, or a size that is not positive.
    """
    points, weights = np.array(centres, dtype=np.float64), np.array(sizes, dtype=np.float64)
    if points.ndim != 2 or weights.shape != points.shape[:1] or not np.all(weights > 0):
        raise InputError(
            f"centres {points.shape} and sizes {weights.shape} do not fit: give centres (M, F) "
            "and one positive size a cluster"
        )
    group = np.arange(len(points), dtype=np.int64)
    while len(weights) > max(1, groups):
        gaps = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
        cost = np.outer(weights, weights) / np.add.outer(weights, weights) * gaps
        cost[np.tril_indices(len(weights))] = np.inf
        first, second = np.unravel_index(int(cost.argmin()), cost.shape)
        both = weights[first] + weights[second]
        points[first] = (weights[first] * points[first] + weights[second] * points[second]) / both
        weights[first] = both
        points, weights = np.delete(points, second, axis=0), np.delete(weights, second)
        group[group == second] = first
        group[group > second] -= 1
    order = {name: rank for rank, name in enumerate(dict.fromkeys(group.tolist()))}
    return np.array([order[name] for name in group.tolist()], dtype=np.int64)
