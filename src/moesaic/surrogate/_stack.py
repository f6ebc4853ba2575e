"""How much every model counts in a blend, from held-out predictions; it fits no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from moesaic.surrogate._base import Floats
from moesaic.surrogate._validate import HeldOut

# Below about this many observations held-out errors say little about the weights.
ENOUGH = 16.0
LEAST_WEIGHT = 0.02


def stacking_weights(held: Mapping[str, HeldOut]) -> dict[str, float]:
    """Return a weight for every model, none negative, together 1 (Breiman, 1996).

    They minimise the squared error of the blend of *ranks*, over all clusters at once:
    measured and predicted log losses are both read off as shares of the measured ones below.
    On the losses themselves a few failed experts would decide, and ranks are what a search
    needs. The fewer observations there are, the nearer the weights stay to equal ones.
    """
    names = list(held)
    if len(names) == 1:
        return {names[0]: 1.0}
    any_one = held[names[0]]
    known = np.isfinite(any_one.target)
    clusters = [m for m in range(known.shape[1]) if known[:, m].sum() > 1]
    if not clusters:
        return dict.fromkeys(names, 1.0 / len(names))
    errors = []
    for cluster in clusters:
        rows = known[:, cluster]
        measured = any_one.target[rows, cluster]
        ranks = _shares(measured, measured)
        errors.append(
            np.stack([_shares(one.mean[rows, cluster], measured) - ranks for one in held.values()])
        )
    stacked = np.hstack(errors)
    # Shares are spread evenly over 0 to 1: their variance is a twelfth.
    pull = (ENOUGH / len(any_one.target)) ** 2 / 12.0
    count = len(names)
    gram = stacked @ stacked.T / stacked.shape[1] + (pull + 1e-9) * np.eye(count)
    root = np.linalg.cholesky(gram).T
    wanted = np.linalg.solve(root.T, np.full(count, pull / count))
    # A heavy last row makes the weights add up to 1.
    weights, _ = nnls(np.vstack([root, np.full(count, 1e3)]), np.append(wanted, 1e3))
    weights = np.where(weights < LEAST_WEIGHT * weights.sum(), 0.0, weights)
    return dict(zip(names, (weights / weights.sum()).tolist(), strict=True))


def mixed(
    parts: Sequence[tuple[Floats, Floats]], weights: Sequence[float]
) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of predictions that count as much as their weights."""
    mean = sum((w * m for w, (m, _) in zip(weights, parts, strict=True)), np.zeros(()))
    variance = sum(
        (w * (s**2 + (m - mean) ** 2) for w, (m, s) in zip(weights, parts, strict=True)),
        np.zeros(()),
    )
    return np.asarray(mean), np.sqrt(variance)


def _shares(values: Floats, measured: Floats) -> Floats:
    """Return where values lie among the measured ones, 0 to 1, between neighbours linearly."""
    places, occurrences = np.unique(measured, return_counts=True)
    middles = (np.cumsum(occurrences) - 0.5 * occurrences) / len(measured)
    return np.interp(values, places, middles)
