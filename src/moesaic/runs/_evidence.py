"""Intervals: differences of accuracy over seeds and images, values in nats over samples."""

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
    Satterthwaite's; with one repeat only the samples speak.

    Args:
        first: a score of every sample (N,), one array a repeat.
        second: the same samples and repeats under the other model.
    """
    difference = np.stack(
        [np.asarray(a, float) - np.asarray(b, float) for a, b in zip(first, second, strict=True)]
    )
    repeats, samples = difference.shape
    mean = float(difference.mean())
    of_samples = float(difference.mean(axis=0).var(ddof=1)) / samples if samples > 1 else 0.0
    of_repeats = float(difference.mean(axis=1).var(ddof=1)) / repeats if repeats > 1 else 0.0
    variance = of_samples + of_repeats
    if variance <= 0:
        return Interval(mean, mean, mean)
    spread = of_samples**2 / max(1, samples - 1)
    if repeats > 1:
        spread += of_repeats**2 / (repeats - 1)
    freedom = variance**2 / spread if spread > 0 else np.inf
    half = float(stats.t.ppf(0.975, freedom)) * float(np.sqrt(variance))
    return Interval(mean, mean - half, mean + half)


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Return the mean of independent values (N,) with a 95 % interval."""
    values = np.asarray(values, float)
    mean = float(values.mean()) if len(values) else 0.0
    if len(values) < 2:
        return Interval(mean, mean, mean)
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)
