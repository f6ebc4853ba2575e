"""What the beginning of a learning curve says, as numbers; it predicts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from moesaic.errors import InputError
from moesaic.surrogate._base import Floats

LEAST, MOST = 0.01, 0.99  # scores are kept off 0 and 1, where the logit is infinite


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
    """Return log(p / (1 - p)) of shares kept within .01 and .99."""
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


def curve_features(curves: Sequence[Curve], early: int, settings: Sequence[str]) -> Floats:
    """Describe every curve by its scores up to epoch `early` and by those of its family.

    Args:
        curves: n of them; the family of each is judged by those given here, of which nothing
            after `early` is read.
        early: the last epoch that may be seen; every curve has a score there.
        settings: the names that become columns, in this order.

    Returns:
        (n, F); NaN for a setting that a curve lacks. The columns are the best score, the last,
        the first and the average as logits; what the score rose by since the first epoch and
        since the one before; how rough the rise was; the exponent of the error as a power of
        the epoch; of the family the best score, the middle one, their spread, and how far the
        curve is behind the best and the middle one; then the settings.
    """
    families: dict[str, list[float]] = {}
    for curve in curves:
        families.setdefault(curve.family, []).append(float(logit(curve.scores[early])))
    rows = []
    for curve in curves:
        own = _of_one(known_by(curve, early), early)
        peers = np.asarray(families[curve.family])
        best, middle = float(peers.max()), float(np.median(peers))
        last = float(logit(curve.scores[early]))
        around = [best, middle, float(peers.std()), last - best, last - middle]
        given = [float(curve.settings.get(name, np.nan)) for name in settings]
        rows.append([*own, *around, *given])
    return np.asarray(rows, dtype=np.float64)


def _of_one(seen: Mapping[int, float], early: int) -> list[float]:
    epochs = np.fromiter(seen, dtype=np.float64)
    scores = np.fromiter(seen.values(), dtype=np.float64)
    grid = np.interp(np.arange(1, early + 1), epochs, scores)
    rise = np.diff(grid)
    steps = np.log(np.arange(1, early + 1))
    errors = np.log(np.clip(1.0 - grid, LEAST, 1.0))
    centred = steps - steps.mean()
    power = float(centred @ errors / (centred @ centred)) if early > 1 else 0.0
    return [
        float(logit(grid.max())),
        float(logit(grid[-1])),
        float(logit(grid[0])),
        float(logit(grid.mean())),
        float(grid[-1] - grid[0]),
        float(rise[-1]) if early > 1 else 0.0,
        float(rise.std()) if early > 1 else 0.0,
        power,
    ]
