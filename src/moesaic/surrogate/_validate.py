"""Cross-validation, calibration and the decision whether to trust; it knows no model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, kendalltau, spearmanr

from moesaic.surrogate._base import Floats
from moesaic.surrogate._encode import Table
from moesaic.surrogate._regressor import Maker, Standardised

LEAST_ARCHITECTURES = 8
LEAST_SPEARMAN = 0.3
POOLED = 30
MEDIAN_Z, NINETY_Z = 0.6744897501960817, 1.6448536269514722


@dataclass(frozen=True)
class HeldOut:
    """Predictions of observations by models that had not seen their architectures.

    Attributes:
        target: (n, M) log of the measured loss, NaN where not measured.
        mean, std: (n, M) of the log of the loss.
        fold: (n,) which fold left the observation out.
    """

    target: Floats
    mean: Floats
    std: Floats
    fold: NDArray[np.int64]

    @property
    def score(self) -> Floats:
        """|target - mean| / std, (n, M), NaN where not measured."""
        gap: Floats = np.abs(self.target - self.mean) / self.std
        return gap

    @property
    def measured(self) -> Floats:
        """(n, M) nats, NaN where not measured."""
        return np.asarray(np.exp(self.target))

    @property
    def nats(self) -> tuple[Floats, Floats]:
        """Predicted mean and standard deviation (n, M) in nats."""
        return to_nats(self.mean, self.std)


def to_nats(mean: Floats, std: Floats) -> tuple[Floats, Floats]:
    """Turn mean and deviation of the log loss into nats (the median, and the delta formula)."""
    centre = np.exp(mean)
    return centre, centre * std


def folds(table: Table, seed: int) -> NDArray[np.int64]:
    """Return the fold of every observation (n,): 10 folds up to 30 architectures, then 5."""
    count = table.groups
    parts = min(count, 10 if count <= 30 else 5)
    order = np.random.default_rng(seed).permutation(count)
    of_group = np.empty(count, dtype=np.int64)
    of_group[order] = np.arange(count) % parts
    return of_group[table.group]


def cross_validate(make: Maker, table: Table, fold: NDArray[np.int64], seed: int) -> HeldOut:
    """Predict every fold by a model fitted on the others."""
    mean, std = np.empty_like(table.target), np.empty_like(table.target)
    for part in np.unique(fold):
        left = fold == part
        model = Standardised(make, seed)
        model.fit(table.inputs.take(~left), table.target[~left])
        mean[left], std[left] = model.predict(table.inputs.take(left))
    return HeldOut(table.target, mean, std, fold)


def scale_of(held: HeldOut) -> Floats:
    """Return the factor (M,) that makes standard deviations in nats right.

    Compares the 50 % and 90 % quantiles of |z| with those of a normal; clusters with few
    values are drawn to the factor of all together.
    """

    def factor(values: Floats) -> float:
        if not values.size:
            return 1.0
        middle, outer = np.quantile(values, [0.5, 0.9])
        return float(max(0.5 * (middle / MEDIAN_Z + outer / NINETY_Z), 0.05))

    mean, std = held.nats
    score = np.abs(held.measured - mean) / std
    known = np.isfinite(score)
    overall = factor(score[known])
    factors = []
    for cluster in range(score.shape[1]):
        own = score[known[:, cluster], cluster]
        share = len(own) / (len(own) + POOLED)
        factors.append(share * factor(own) + (1.0 - share) * overall)
    return np.asarray(factors)


def rank_correlations(held: HeldOut) -> tuple[Floats, Floats]:
    """Return Spearman and Kendall (M,) of prediction and measurement; NaN below 3 values."""
    pairs = []
    for cluster in range(held.mean.shape[1]):
        rows = np.isfinite(held.target[:, cluster])
        predicted, measured = held.mean[rows, cluster], held.target[rows, cluster]
        if rows.sum() < 3:
            pairs.append((np.nan, np.nan))
            continue
        with warnings.catch_warnings():
            # A constant prediction has no ranks: NaN says so.
            warnings.simplefilter("ignore", ConstantInputWarning)
            pairs.append(
                (
                    float(spearmanr(predicted, measured).statistic),
                    float(kendalltau(predicted, measured).statistic),
                )
            )
    table = np.asarray(pairs)
    return table[:, 0], table[:, 1]


def root_mean_square(held: HeldOut) -> Floats:
    """Return the error (M,) in nats; NaN where nothing was measured."""
    known = np.isfinite(held.target)
    counts = known.sum(axis=0)
    squares = np.where(known, (held.measured - held.nats[0]) ** 2, 0.0).sum(axis=0)
    return np.sqrt(np.where(counts > 0, squares / np.maximum(counts, 1), np.nan))


def trust(spearman: float, architectures: int) -> tuple[bool, str]:
    """Decide from the mean held-out Spearman; return the verdict and why, as a sentence.

    Two bars: .3, and 2.4 / sqrt(n - 1), which the best of three models reaches on pure noise
    about once in twenty times when all clusters move together, hardly ever otherwise.
    """
    stays = "sampling stays stratified"
    if architectures < LEAST_ARCHITECTURES:
        return False, (
            f"{architectures} different architectures are fewer than {LEAST_ARCHITECTURES}: {stays}"
        )
    chance = 2.4 / np.sqrt(architectures - 1)
    if not np.isfinite(spearman):
        return False, f"held-out Spearman is not defined (predictions do not vary): {stays}"
    if spearman < LEAST_SPEARMAN:
        return False, f"held-out Spearman {spearman:.2f} is below {LEAST_SPEARMAN}: {stays}"
    if spearman < chance:
        return False, (
            f"held-out Spearman {spearman:.2f} from {architectures} architectures may be chance "
            f"(below {chance:.2f}): {stays}"
        )
    return True, f"held-out Spearman {spearman:.2f} from {architectures} architectures"
