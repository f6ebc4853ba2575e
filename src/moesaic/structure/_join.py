"""Joining clusters into fewer groups, and dividing groups again; it finds no clusters."""

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
    points, weights = _read(centres, sizes, "centres (M, F)")
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
    return _numbered(group)


def join_confused(confusion: ArrayLike, sizes: ArrayLike, groups: int) -> NDArray[np.int64]:
    """Return the group (M,) of every cluster with those joined that a gate confuses.

    The two groups are joined between which most samples go astray, by the samples of the smaller:
    what is parted although a gate confuses it costs a mixture its mistakes. Groups are nested.

    Args:
        confusion: (M, M), share of cluster m's samples that are taken for cluster n's.
        sizes: (M,) training samples of every cluster, positive.
        groups: how many; M or more: every cluster is its own.

    Returns:
        int64 (M,), groups numbered by their first cluster.

    Raises:
        InputError: shapes that do not fit, or a size that is not positive.
    """
    shares, weights = _read(confusion, sizes, "confusion (M, M)", square=True)
    astray = weights[:, None] * shares
    astray += astray.T
    group = np.arange(len(weights), dtype=np.int64)
    while len(weights) > max(1, groups):
        rate = astray / np.minimum.outer(weights, weights)
        rate[np.tril_indices(len(weights))] = -np.inf
        first, second = np.unravel_index(int(rate.argmax()), rate.shape)
        weights[first] += weights[second]
        astray[first] += astray[second]
        astray[:, first] += astray[:, second]
        weights = np.delete(weights, second)
        astray = np.delete(np.delete(astray, second, axis=0), second, axis=1)
        group[group == second] = first
        group[group > second] -= 1
    return _numbered(group)


def ways_to_divide(
    groups: ArrayLike, centres: ArrayLike, sizes: ArrayLike, confusion: ArrayLike, most: int
) -> list[NDArray[np.int64]]:
    """Return ways to divide one of the groups in two, the one of Ward's criterion first.

    Every group of two clusters or more is divided by Ward's criterion and by what a gate confuses,
    in turn, those first that lower Ward's criterion most. No way comes twice.

    Args:
        groups: (M,) group of every cluster.
        centres: (M, F).
        sizes: (M,) training samples of every cluster, positive.
        confusion: (M, M), share of cluster m's samples that are taken for cluster n's.
        most: how many at most.

    Returns:
        At most `most` of int64 (M,), groups numbered by their first cluster; none where every
        cluster is its own group.
    """
    now = np.asarray(groups, dtype=np.int64)
    points, weights = np.asarray(centres, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    shares = np.asarray(confusion, dtype=np.float64)
    kinds: list[list[tuple[float, NDArray[np.int64]]]] = [[], []]
    for name in np.unique(now):
        inside = np.flatnonzero(now == name)
        if len(inside) < 2:
            continue
        both = (
            join_clusters(points[inside], weights[inside], 2),
            join_confused(shares[np.ix_(inside, inside)], weights[inside], 2),
        )
        for kind, halves in zip(kinds, both, strict=True):
            way = now.copy()
            way[inside[halves == 1]] = now.max() + 1
            kind.append((_parted(points[inside], weights[inside], halves), _numbered(way)))
    ranked = [sorted(kind, key=lambda one: -one[0]) for kind in kinds]
    ways: dict[tuple[int, ...], NDArray[np.int64]] = {}
    for pair in zip(*ranked, strict=True):
        for _, way in pair:
            ways.setdefault(tuple(way.tolist()), way)
    return list(ways.values())[:most]


def _read(
    table: ArrayLike, sizes: ArrayLike, wanted: str, *, square: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return copies of both; raise InputError where they do not fit."""
    rows, weights = np.array(table, dtype=np.float64), np.array(sizes, dtype=np.float64)
    fits = rows.ndim == 2 and weights.shape == rows.shape[:1] and np.all(weights > 0)
    if not fits or (square and rows.shape != weights.shape * 2):
        raise InputError(
            f"{wanted.split()[0]} {rows.shape} and sizes {weights.shape} do not fit: give {wanted} "
            "and one positive size a cluster"
        )
    return rows, weights


def _parted(
    points: NDArray[np.float64], weights: NDArray[np.float64], halves: NDArray[np.int64]
) -> float:
    """Return by how much Ward's criterion is lower for two halves than for both together."""
    one, two = (halves == half for half in (0, 1))
    gap = np.average(points[one], 0, weights[one]) - np.average(points[two], 0, weights[two])
    first, second = weights[one].sum(), weights[two].sum()
    return float(first * second / (first + second) * (gap**2).sum())


def _numbered(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups numbered by their first cluster."""
    order = {name: rank for rank, name in enumerate(dict.fromkeys(group.tolist()))}
    return np.array([order[name] for name in group.tolist()], dtype=np.int64)
