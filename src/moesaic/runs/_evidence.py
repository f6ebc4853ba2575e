"""Scores and intervals: differences over seeds and samples, means of independent values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from moesaic.selection import Interval


def paired_interval(
    first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]]
) -> Interval:
    """Return the mean of first - second over repeats and samples, with a 95 % interval.

    The variance is the sum of two parts: of the repeats' differences, over their number, and of
    the samples' mean differences, over theirs. Its degrees of freedom are Welch and
    Satterthwaite's; with one repeat only the samples speak. Differences that are all the same, d,
    have no variance and prove little where they are few: as large a share of unseen ones may be -d
    as goes unseen with a chance of 5 % (Clopper and Pearson's exact bound).

    Args:
        first: a score of every sample (N,), one array a repeat.
        second: the same samples and repeats under the other model.
    """
    difference = _differences(first, second)
    repeats, samples = difference.shape
    mean = float(difference.mean())
    of_samples, of_repeats = _variances(difference)
    variance = of_samples + of_repeats
    if variance <= 0:
        half = _half_unseen(difference)
        return Interval(mean, mean - half, mean + half)
    spread = of_samples**2 / max(1, samples - 1)
    if repeats > 1:
        spread += of_repeats**2 / (repeats - 1)
    freedom = variance**2 / spread if spread > 0 else np.inf
    half = float(stats.t.ppf(0.975, freedom)) * float(np.sqrt(variance))
    return Interval(mean, mean - half, mean + half)


def standard_error(
    first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]]
) -> float:
    """Return the standard error of the mean of first - second: its variance is `paired_interval`'s.

    Args:
        first: a score of every sample (N,), one array a repeat.
        second: the same samples and repeats under the other model.
    """
    difference = _differences(first, second)
    variance = sum(_variances(difference))
    if variance <= 0:  # as wide as the interval is
        return _half_unseen(difference) / float(stats.norm.ppf(0.975))
    return float(np.sqrt(variance))


def _half_unseen(difference: NDArray[np.float64]) -> float:
    """Return half the width of the interval where all of (repeats, N) are one number.

    The largest share of samples of the other sign that N samples miss with a chance of 5 % would
    move the mean by twice its size.
    """
    share = 1.0 - 0.05 ** (1.0 / max(1, difference.shape[1]))
    return float(2.0 * share * abs(difference.mean()))


def _differences(
    first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the paired differences (repeats, N)."""
    return np.stack(
        [np.asarray(a, float) - np.asarray(b, float) for a, b in zip(first, second, strict=True)]
    )


def _variances(difference: NDArray[np.float64]) -> tuple[float, float]:
    """Return the variance of the mean of (repeats, N) by the samples and by the repeats."""
    repeats, samples = difference.shape
    of_samples = float(difference.mean(axis=0).var(ddof=1)) / samples if samples > 1 else 0.0
    of_repeats = float(difference.mean(axis=1).var(ddof=1)) / repeats if repeats > 1 else 0.0
    return of_samples, of_repeats


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Return the mean of independent values (N,) with a 95 % interval."""
    values = np.asarray(values, float)
    mean = float(values.mean()) if len(values) else 0.0
    if len(values) < 2:
        return Interval(mean, mean, mean)
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)


def brier(predictions: NDArray[np.float16], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the squared error (N,) of predicted probabilities: sum_c (p_c - [c is right])^2.

    A proper score like the cross-entropy, but between 0 and 2 (Brier 1950): no sample that went
    astray outweighs a hundred others.

    Args:
        predictions: (N, classes), stored log-probabilities.
        labels: (N,).
    """
    told = np.exp(predictions.astype(np.float64))
    told /= told.sum(axis=1, keepdims=True)
    right = told[np.arange(len(labels)), labels]
    score: NDArray[np.float64] = (told**2).sum(axis=1) - 2.0 * right + 1.0
    return score
