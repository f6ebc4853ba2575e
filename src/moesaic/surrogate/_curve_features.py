"""What the beginning of a learning curve says, as numbers; it predicts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from moesaic.errors import InputError
from moesaic.surrogate._base import Floats

LEAST, MOST = 0.02, 0.98  # scores are kept off 0 and 1, where the logit is infinite


@dataclass(frozen=True)
class Curve:
    """The scores of one configuration, epoch by epoch.

    Attributes:
        family: which configurations belong together; a forecast never needs one of the same
            family that was trained to the end.
        scores: epoch (from 1) -> a share between 0 and 1, larger is better; gaps are allowed.
        settings: how it was trained and what it costs, as named numbers that were known before
            the first epoch or measured during the early ones. A name may be missing.
    """

    family: str
    scores: Mapping[int, float]
    settings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [epoch for epoch, score in self.scores.items() if not 0.0 <= score <= 1.0]
        if wrong or any(epoch < 1 for epoch in self.scores):
            raise InputError(
                f"a curve of {self.family} has epochs below 1 or scores outside 0 to 1"
                f"{f' (epoch {wrong[0]}: {self.scores[wrong[0]]})' if wrong else ''}: "
                "give shares such as accuracies"
            )


def logit(share: Floats | float) -> Floats:
    """Return log(p / (1 - p)) of shares kept within .02 and .98."""
    kept = np.clip(np.asarray(share, dtype=np.float64), LEAST, MOST)
    odds: Floats = np.log(kept / (1.0 - kept))
    return odds


def expit(value: Floats) -> Floats:
    """Return the shares that `logit` maps to these values."""
    share: Floats = 1.0 / (1.0 + np.exp(-value))
    return share


def known_by(curve: Curve, epoch: int) -> Mapping[int, float]:
    """Return the scores up to an epoch, in order: all that a feature may see."""
    return {at: curve.scores[at] for at in sorted(curve.scores) if at <= epoch}


def curve_features(curves: Sequence[Curve], early: int, final: int, names: Sequence[str]) -> Floats:
    """Describe every curve by its scores up to epoch `early` and by those of its family.

    Args:
        curves: n of them; the family of each is judged by those given here, of which nothing
            after `early` is read.
        early: the last epoch that may be seen; every curve has a score there.
        final: how far the error is extrapolated, as a power of the epoch.
        names: the settings that become columns, in this order.

    Returns:
        (n, F); NaN for a setting that a curve lacks. The columns are the best score, the last,
        the first and the average as logits; the scores themselves, gaps filled in a straight
        line; the best, what it rose by since the first epoch and since the one before, how
        uneven the steps were and how many led down; the exponent of the error as a power of
        the epoch and the score that it leads to at `final`; of the family the best and the
        middle last score, the best first one and the best of all, and their spread; how far the
        curve is behind the best and the middle one and the share it is ahead of; the settings.
    """
    grids = np.stack([_grid(known_by(curve, early), early) for curve in curves])
    rows = np.asarray([_alone(grid, final) for grid in grids])
    last = grids[:, -1]
    families = np.asarray([curve.family for curve in curves])
    around = np.empty((len(curves), 8))
    for family in np.unique(families):
        mine = families == family
        own, peers = last[mine], grids[mine]
        best, middle = own.max(), np.median(own)
        shared = [best, middle, peers[:, 0].max(), peers.max(), own.std()]
        ahead = (own[:, None] > own).mean(axis=1)
        around[mine, :5] = shared
        around[mine, 5:] = np.stack([own - best, own - middle, ahead], axis=1)
    given = [[float(curve.settings.get(name, np.nan)) for name in names] for curve in curves]
    settings = np.asarray(given, dtype=np.float64).reshape(len(curves), len(names))
    return np.hstack([rows, around, settings])


def _grid(seen: Mapping[int, float], early: int) -> Floats:
    """Return the scores of the epochs 1 to `early`, gaps filled in a straight line."""
    epochs, scores = list(seen), list(seen.values())
    return np.asarray(np.interp(np.arange(1, early + 1), epochs, scores), dtype=np.float64)


def _alone(grid: Floats, final: int) -> list[float]:
    early = len(grid)
    steps = np.diff(grid) if early > 1 else np.zeros(1)
    errors = np.log(np.clip(1.0 - grid, LEAST, 1.0))
    at = np.log(np.arange(1, early + 1))
    centred = at - at.mean()
    power = float(centred @ errors / (centred @ centred)) if early > 1 else 0.0
    reached = 1.0 - np.exp(errors[-1] + power * np.log(final / early))
    return [
        *(float(logit(one)) for one in (grid.max(), grid[-1], grid[0], grid.mean())),
        *grid.tolist(),
        *(float(grid.max()), float(grid[-1] - grid[0]), float(steps[-1])),
        *(float(np.abs(steps).std()), float((steps < 0).sum())),
        *(power, float(reached)),
    ]
