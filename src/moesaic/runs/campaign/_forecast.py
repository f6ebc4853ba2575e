"""What a mixture is expected to need, from its families' probes and what was measured since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moesaic.bank import Observation
from moesaic.runs.campaign._probe import Probed

_LEAST_LIMIT = 120.0
_GENEROUS = 10.0
_SMALLEST_BATCH = 8


@dataclass(frozen=True)
class Correction:
    """How far the measured needs of single families were from what was counted, as factors."""

    memory: float = 1.0
    seconds: float = 1.0


@dataclass(frozen=True)
class Forecast:
    """What one training is expected to need.

    Attributes:
        memory: bytes.
        seconds: wall time on one worker; None where a family could not be timed.
    """

    memory: int
    seconds: float | None


def forecast(
    families: Sequence[str],
    probes: Mapping[str, Probed],
    *,
    batch_size: int,
    epochs: int,
    samples: int,
    correction: Correction,
) -> Forecast | None:
    """Return what training these families together needs, None where a probe failed.

    Args:
        families: all of them run on every sample.
        probes: by family.
        batch_size: samples a step.
        epochs: passes over the training split.
        samples: of the training split.
        correction: from `measure_correction`.
    """
    found = [probes[name] for name in families]
    memory = 0
    for probed in found:
        if probed.demand is None:
            return None
        memory += probed.demand.memory(batch_size)
    times = [probed.seconds for probed in found if probed.seconds is not None]
    seconds = None
    if len(times) == len(found):
        seconds = sum(times) * samples * epochs * correction.seconds
    return Forecast(round(memory * correction.memory), seconds)


def measure_correction(
    singles: Sequence[Observation], expected: Mapping[str, Forecast]
) -> Correction:
    """Return the median ratios of measured to expected over the families trained alone.

    Args:
        singles: one observation a family.
        expected: uncorrected forecasts by trial key.
    """
    memory, seconds = [], []
    for found in singles:
        told = expected.get(found.trial.key)
        if told is None:
            continue
        if found.peak_memory > 0 and told.memory > 0:
            memory.append(found.peak_memory / told.memory)
        if told.seconds:
            seconds.append(found.seconds / told.seconds)
    return Correction(
        memory=float(np.median(memory)) if memory else 1.0,
        seconds=float(np.median(seconds)) if seconds else 1.0,
    )


def fitting_batch(need_at: Mapping[int, int], limit: int) -> int | None:
    """Return the largest batch size whose memory is within the limit, None when none is.

    Args:
        need_at: bytes by batch size.
        limit: bytes.
    """
    fitting = [size for size, need in need_at.items() if need <= limit]
    return max(fitting, default=None)


def batch_sizes(first: int) -> list[int]:
    """Return the batch sizes that are tried, each half the one before, down to eight."""
    sizes = [first]
    while sizes[-1] // 2 >= _SMALLEST_BATCH:
        sizes.append(sizes[-1] // 2)
    return sizes


def time_limit(told: Forecast | None) -> float:
    """Return the seconds a trial may take when the person set no limit.

    Ten times what is expected and two minutes at least: whatever takes longer hangs.
    """
    if told is None or told.seconds is None:
        return _LEAST_LIMIT * 5
    return max(_LEAST_LIMIT, _GENEROUS * told.seconds)
