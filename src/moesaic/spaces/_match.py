"""Fits an architecture's widths to a given cost; how cost is counted is handed in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import nn

from moesaic.errors import InputError
from moesaic.spaces._base import Architecture, SearchSpace

Widths = tuple[int, ...]
_GOOD_ENOUGH = 0.001  # of the target: nearer is not worth another count
_STEPS = 12
_ROUNDS = 3


def match_macs(
    space: SearchSpace,
    architecture: Architecture,
    target: int,
    input_shape: tuple[int, ...],
    classes: int,
    macs: Callable[[nn.Module, tuple[int, ...]], int],
    tolerance: float = 0.05,
) -> Architecture:
    """Return the architecture at the widths whose MACs are nearest to the target.

    Widths are first scaled all alike, then one or two stages at a time are moved by one channel
    for as long as that helps. The search reads `SearchSpace.estimate_macs` where the space has
    it and else counts every candidate; the result is always counted, on the `meta` device.

    Args:
        space: the space of the architecture.
        architecture: what to resize.
        target: multiply-accumulates of one sample.
        input_shape: (C, H, W).
        classes: number of logits.
        macs: counts a network's multiply-accumulates, such as `moesaic.training.count_macs`.
        tolerance: largest relative distance from the target that is accepted.

    Raises:
        InputError: the target is not positive or no widths near it are within tolerance.
        BuildError: the network cannot be built.
    """
    if target <= 0:
        raise InputError(f"the MACs to match must be positive, got {target}")

    def measure(widths: Widths) -> int:
        with torch.device("meta"):
            model = space.build(space.resize(architecture, widths), input_shape, classes)
        return macs(model, input_shape)

    def estimate(widths: Widths) -> int:
        known = space.estimate_macs(space.resize(architecture, widths), input_shape, classes)
        return measure(widths) if known is None else known

    start = space.widths(architecture)
    aim = float(target)
    measured: dict[Widths, int] = {}
    for _ in range(_ROUNDS):
        widths, expected = _nearest_widths(start, aim, estimate)
        measured[widths] = measure(widths)
        if measured[widths] == expected:
            break
        aim = target * expected / measured[widths]  # the estimate is off by this factor

    best = min(measured, key=lambda widths: abs(measured[widths] - target))
    ratio = measured[best] / target
    if abs(ratio - 1) > tolerance:
        raise InputError(
            f"no widths near {best} bring '{space.describe(architecture)}' within "
            f"{tolerance:.0%} of {target} MACs (nearest is {ratio:.2f} times it): "
            "choose another target or wider networks"
        )
    return space.resize(architecture, best)


def _nearest_widths(
    start: Widths, aim: float, count: Callable[[Widths], int]
) -> tuple[Widths, int]:
    """Return the widths found nearest to the aim, and their count."""
    counts: dict[Widths, int] = {}

    def distance(widths: Widths) -> float:
        if widths not in counts:
            counts[widths] = count(widths)
        return abs(counts[widths] - aim)

    factor, widths = 1.0, start
    for _ in range(_STEPS):
        distance(widths)
        # MACs grow at most with the square of the widths: the root never overshoots for long.
        factor *= (aim / max(counts[widths], 1)) ** 0.5
        widths = tuple(max(1, round(width * factor)) for width in start)
        if widths in counts:
            break
    best = min(counts, key=distance)
    for _ in range(_STEPS):
        if distance(best) <= _GOOD_ENOUGH * aim:
            break
        candidate = min(_moves(best), key=distance, default=best)
        if distance(candidate) >= distance(best):
            break
        best = candidate
    return best, counts[best]


def _moves(widths: Widths) -> Iterator[Widths]:
    """Yield the widths with one or two stages moved by one channel."""
    stages = range(len(widths))
    moved = [(stage, step) for stage in stages for step in (-1, 1) if widths[stage] + step > 0]
    for first, second in itertools.combinations_with_replacement(moved, 2):
        if first[0] == second[0] and first != second:
            continue
        change = dict((first, second))
        yield tuple(width + change.get(stage, 0) for stage, width in enumerate(widths))
