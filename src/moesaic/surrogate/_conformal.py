"""Intervals that hold what they promise, from held-out errors; it fits no model."""

from __future__ import annotations

import numpy as np

from moesaic.surrogate._base import Floats
from moesaic.surrogate._validate import HeldOut

ALONE = 30


def widths(score: Floats, level: float) -> Floats:
    """Return how many standard deviations (M,) to either side hold a share `level` of values.

    Cross-conformal (Vovk, 2015) with normalised scores: the quantile of the held-out scores
    of a cluster that leaves room for the new value among them. A cluster with fewer than 30
    values takes the quantile of all clusters together.

    Args:
        score: (n, M) |measured - predicted| / std of held-out values, NaN where not measured.
        level: between 0 and 1.
    """
    pooled = _quantile(score[np.isfinite(score)], level)
    found = []
    for column in score.T:
        own = column[np.isfinite(column)]
        found.append(_quantile(own, level) if len(own) >= ALONE else pooled)
    return np.asarray(found)


def covered(held: HeldOut, level: float) -> Floats:
    """Return the share (M,) of held-out values inside intervals set on the other folds."""
    score = held.score
    inside = np.full(score.shape, np.nan)
    for part in np.unique(held.fold):
        left = held.fold == part
        inside[left] = score[left] <= widths(score[~left], level)
    known = np.isfinite(score)
    counts = known.sum(axis=0)
    hits = np.where(known, inside, 0.0).sum(axis=0)
    return np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)


def _quantile(values: Floats, level: float) -> float:
    """Return the k-th smallest of n values, k = ceil((n + 1) level), at most the largest."""
    if not values.size:
        return 1.0
    place = min(int(np.ceil((len(values) + 1) * level)), len(values))
    return float(np.partition(values, place - 1)[place - 1])
