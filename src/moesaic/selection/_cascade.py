"""When the answer of a cheaper network will do: the thresholds of a cascade, from stored answers.

It reads what networks answered on the validation split and trains nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError

NEVER = 2.0  # a threshold that no confidence, which is at most 1, reaches
_CUTS = 64  # thresholds that are tried at every stage but the last but one, which is solved exactly
_POINTS = 40
_SAME = 1e-12

Floats = NDArray[np.float64]


class CascadePoint(NamedTuple):
    """Thresholds of a cascade and what they cost and lose on the samples they were chosen by.

    Attributes:
        thresholds: (R, S - 1); a sample of region r stops at stage s where its confidence is at
            least `thresholds[r, s]`; 0 stops all, `NEVER` none.
        macs: mean multiply-accumulates of a sample, every stage that it passes counted.
        error: share of wrong answers.
        reached: share of the samples that reach each stage, (S,); the first is 1.
    """

    thresholds: Floats
    macs: float
    error: float
    reached: Floats


def choose_thresholds(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    price: float,
    regions: ArrayLike | None = None,
    count: int | None = None,
) -> CascadePoint:
    """Return the thresholds that lose least: wrong answers plus the price of all stages passed.

    A cascade (Viola and Jones 2001) asks its stages in turn and stops at the first that is sure
    enough. The sum over the samples falls apart into one for each region, so every region has
    thresholds of its own. With two stages the best are found exactly, at one sort; with more, those
    before the last but one are taken from 64 quantiles.

    Args:
        confidence: of the answer at every stage, (S, N), 0 to 1.
        right: whether that answer is right, (S, N).
        macs: what every stage costs a sample that reaches it, (S, N) or (S, 1).
        price: share of right answers that a multiply-accumulate must buy, 0 or more.
        regions: the region of every sample, (N,), 0 to R - 1; one for all when not given.
        count: R; the largest region and one when not given. In a region without samples nothing
            stops before the last stage.

    Raises:
        InputError: shapes that do not fit, fewer than two stages, no sample, a price below 0.
    """
    sure, good, cost, place = _checked(confidence, right, macs, price, regions)
    largest = int(place.max())
    if count is not None and count <= largest:
        raise InputError(f"{count} regions, but a sample of region {largest}")
    thresholds = np.full((count or largest + 1, len(sure) - 1), NEVER)
    for region in range(largest + 1):
        rows = np.flatnonzero(place == region)
        if len(rows):
            _, thresholds[region] = _best(0, rows, sure, ~good + price * cost, price * cost)
    return _point(thresholds, sure, good, cost, place)


def cascade_front(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    regions: ArrayLike | None = None,
    count: int | None = None,
    points: int = _POINTS,
) -> list[CascadePoint]:
    """Return the thresholds that no others found beat in error and in cost, cheapest first.

    One choice for every one of `points` prices, from one that stops all samples at the first stage
    to none; arguments and errors as of `choose_thresholds`.
    """
    sure, good, cost, place = _checked(confidence, right, macs, 0.0, regions)
    least = float(cost[1:].mean(axis=1).min())
    prices = [0.0, *np.geomspace(1e-4, 2.0, points - 1) / max(least, 1.0)]
    found = [choose_thresholds(sure, good, cost, price, place, count) for price in prices]
    front: list[CascadePoint] = []
    for point in sorted(found, key=lambda one: (one.macs, one.error)):
        if not front or point.error < front[-1].error - _SAME:
            front.append(point)
    return front


def stage_of(confidence: ArrayLike, thresholds: ArrayLike, regions: ArrayLike) -> NDArray[np.int64]:
    """Return the stage at which each sample stops, (N,).

    Args:
        confidence: (S, N) or (S - 1, N); the last stage's is not asked for.
        thresholds: (R, S - 1).
        regions: (N,).
    """
    bound = np.asarray(thresholds, np.float64)[np.asarray(regions)].T
    stops = np.asarray(confidence, np.float64)[: len(bound)] >= bound
    everything = np.vstack([stops, np.ones((1, stops.shape[1]), bool)])
    stage: NDArray[np.int64] = everything.argmax(axis=0).astype(np.int64)
    return stage


def _best(
    stage: int, rows: NDArray[np.int64], sure: Floats, stop: Floats, go: Floats
) -> tuple[float, list[float]]:
    """Return the least total of the rows that reach a stage, and the thresholds from it on.

    Args:
        stage: that the rows reach.
        rows: their positions.
        sure: confidence, (S, N).
        stop: (S, N), what a sample loses that stops at a stage: its mistake and that stage's price.
        go: (S, N), what a sample pays that goes on from a stage.
    """
    last = len(sure) - 1
    if stage == last:
        return float(stop[last, rows].sum()), []
    if not len(rows):
        return 0.0, [0.0] * (last - stage)
    order = rows[np.argsort(-sure[stage, rows], kind="stable")]
    ranked = sure[stage, order]
    # stopping the first k of the order; equal confidences cannot be parted
    cuts = np.flatnonzero(np.r_[True, ranked[1:] < ranked[:-1], True])
    stopped = np.r_[0.0, np.cumsum(stop[stage, order])]
    going = np.r_[np.cumsum(go[stage, order][::-1])[::-1], 0.0]
    if stage == last - 1:
        after = np.r_[np.cumsum(stop[last, order][::-1])[::-1], 0.0]
        rest: list[list[float]] = [[]] * len(cuts)
        totals = (stopped + going + after)[cuts]
    else:
        cuts = cuts[np.unique(np.linspace(0, len(cuts) - 1, _CUTS).round().astype(np.int64))]
        tried = [_best(stage + 1, order[cut:], sure, stop, go) for cut in cuts]
        rest = [thresholds for _, thresholds in tried]
        totals = (stopped + going)[cuts] + np.array([total for total, _ in tried])
    # of equal ones the one that stops most
    best = len(totals) - 1 - int(np.argmin(totals[::-1]))
    return float(totals[best]), [_between(ranked, int(cuts[best])), *rest[best]]


def _between(ranked: Floats, cut: int) -> float:
    """Return a threshold that the first `cut` of the ranked confidences reach, and no other."""
    if cut == 0:
        return NEVER
    if cut == len(ranked):
        return 0.0
    return float(ranked[cut - 1])


def _point(
    thresholds: Floats,
    sure: Floats,
    good: NDArray[np.bool_],
    cost: Floats,
    place: NDArray[np.int64],
) -> CascadePoint:
    stage = stage_of(sure, thresholds, place)
    samples = np.arange(len(stage))
    reached = np.array([(stage >= one).mean() for one in range(len(sure))])
    return CascadePoint(
        thresholds=thresholds,
        macs=float(np.cumsum(cost, axis=0)[stage, samples].mean()),
        error=float(1 - good[stage, samples].mean()),
        reached=reached,
    )


def _checked(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    price: float,
    regions: ArrayLike | None,
) -> tuple[Floats, NDArray[np.bool_], Floats, NDArray[np.int64]]:
    sure, good = np.asarray(confidence, np.float64), np.asarray(right, bool)
    cost = np.asarray(macs, np.float64)
    if sure.ndim != 2 or len(sure) < 2 or not sure.shape[1]:
        raise InputError(
            f"confidence has shape {sure.shape}, expected (stages, samples): two stages or more, "
            "one sample or more"
        )
    if good.shape != sure.shape:
        raise InputError(f"right has shape {good.shape}, confidence {sure.shape}")
    if cost.shape not in (sure.shape, (len(sure), 1)):
        raise InputError(f"macs has shape {cost.shape}, expected {sure.shape} or {len(sure), 1}")
    if not np.isfinite(sure).all() or not np.isfinite(cost).all() or (cost < 0).any():
        raise InputError("confidence and macs must be finite, macs 0 or more")
    if not price >= 0:
        raise InputError(f"price is {price}, expected 0 or more")
    count = sure.shape[1]
    place = np.zeros(count, np.int64) if regions is None else np.asarray(regions).astype(np.int64)
    if place.shape != (count,) or (place < 0).any():
        raise InputError(f"regions has shape {place.shape}, expected ({count},), 0 or more each")
    return sure, good, np.broadcast_to(cost, sure.shape).astype(np.float64), place
