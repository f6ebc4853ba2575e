"""When the answer of a cheaper network will do: the thresholds of a cascade, from stored answers.

It reads what networks answered on the validation split and trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError

NEVER = 2.0  # a threshold that no confidence, which is at most 1, reaches
MOST_STAGES = 4  # every one more takes 64 times as long
_CUTS = 64  # thresholds tried at every stage but the last but one, which has all
_KEPT = 2_000  # choices of a region, or of all so far, that are joined with those of the next
_ROUNDING = 1e-6  # by which a probability may be above 1

Floats = NDArray[np.float64]


class CascadePoint(NamedTuple):
    """Thresholds of a cascade and what they cost and lose on the samples they were chosen by.

    Attributes:
        macs: mean multiply-accumulates of a sample, every stage that it passes counted.
        error: share of wrong answers.
        thresholds: (R, S - 1); a sample of region r stops at stage s where its confidence is at
            least `thresholds[r, s]`; 0 stops all, `NEVER` none.
    """

    macs: float
    error: float
    thresholds: Floats


class _Choices(NamedTuple):
    """Ways to stop the samples of a region, by wrong answers ascending, by cost descending.

    Attributes:
        wrong: wrong answers among the samples, (P,).
        macs: multiply-accumulates of all of them, (P,).
        thresholds: (P, stages left but the last).
    """

    wrong: Floats
    macs: Floats
    thresholds: Floats


def cascade_front(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    regions: ArrayLike | None = None,
    count: int | None = None,
) -> list[CascadePoint]:
    """Return the thresholds that no others beat in wrong answers and in cost, cheapest first.

    A cascade (Viola and Jones 2001) asks its stages in turn and stops at the first that is sure
    enough; each region has thresholds of its own. Wrong answers and cost are sums over the regions,
    so the front of all is joined from theirs. With two stages it is exact; with more, the
    thresholds before the last but one are taken from 64 quantiles. Of more than 2,000 choices of a
    region, as many are kept, evenly spread.

    Args:
        confidence: the largest probability of the answer at every stage, (S, N), 0 to 1.
        right: whether that answer is right, (S, N).
        macs: what every stage costs a sample that reaches it, (S, N) or (S, 1).
        regions: the region of every sample, (N,), 0 to R - 1; one for all when not given.
        count: R; the largest region and one when not given. In a region without samples nothing
            stops before the last stage.

    Raises:
        InputError: shapes that do not fit, stages that are not two to four, no sample, a confidence
            outside 0 to 1.
    """
    sure, good, cost, place, count = _checked(confidence, right, macs, regions, count)
    wrong = (~good).astype(np.float64)
    joined = _Choices(np.zeros(1), np.zeros(1), np.zeros((1, 0)))
    for region in range(count):
        rows = np.flatnonzero(place == region)
        if len(rows):
            own = _choices(0, rows, sure, wrong, cost)
        else:
            own = _Choices(np.zeros(1), np.zeros(1), np.full((1, len(sure) - 1), NEVER))
        joined = _join(joined, own)
    samples = sure.shape[1]
    return [
        CascadePoint(float(cost) / samples, float(lost) / samples, bounds.reshape(count, -1))
        for lost, cost, bounds in zip(*(part[::-1] for part in joined), strict=True)
    ]


def choose_thresholds(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    price: float,
    regions: ArrayLike | None = None,
    count: int | None = None,
) -> CascadePoint:
    """Return the thresholds that lose least: wrong answers plus the price of all stages passed.

    Args:
        confidence: as all other arguments but one, of `cascade_front`.
        right: see there.
        macs: see there.
        price: share of right answers that a multiply-accumulate must buy, 0 or more.
        regions: see there.
        count: see there.

    Raises:
        InputError: as `cascade_front`, or a price below 0.
    """
    return best_at(cascade_front(confidence, right, macs, regions, count), price)


def best_at(front: Sequence[CascadePoint], price: float) -> CascadePoint:
    """Return the point of a front, cheapest first, that loses least at a price, as above.

    Raises:
        InputError: a price below 0.
    """
    if not 0 <= price < np.inf:
        raise InputError(f"price is {price}, expected 0 or more")
    # of equal ones the cheapest, which comes first
    return min(front, key=lambda point: point.error + price * point.macs)


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


def _choices(
    stage: int, rows: NDArray[np.int64], sure: Floats, wrong: Floats, cost: Floats
) -> _Choices:
    """Return the choices for the rows that reach a stage; its cost is paid by all of them."""
    last, paid = len(sure) - 1, cost[stage, rows].sum()
    if stage == last:
        return _Choices(wrong[last, rows].sum(keepdims=True), np.array([paid]), np.zeros((1, 0)))
    if not len(rows):
        return _Choices(np.zeros(1), np.zeros(1), np.zeros((1, last - stage)))
    order = rows[np.argsort(-sure[stage, rows], kind="stable")]
    ranked = sure[stage, order]
    # stopping the first k of the order; equal confidences cannot be parted
    cuts = np.flatnonzero(np.r_[True, ranked[1:] < ranked[:-1], True])
    stopped = np.r_[0.0, np.cumsum(wrong[stage, order])]
    if stage == last - 1:
        after = _from_here_on(wrong[last, order])
        spent = paid + _from_here_on(cost[last, order])
        bounds = np.array([_between(ranked, int(cut)) for cut in cuts])
        return _thinned((stopped + after)[cuts], spent[cuts], bounds[:, None])
    cuts = cuts[np.unique(np.linspace(0, len(cuts) - 1, _CUTS).round().astype(np.int64))]
    parts = [_choices(stage + 1, order[cut:], sure, wrong, cost) for cut in cuts]
    bounds = np.concatenate(
        [
            np.column_stack([np.full(len(part.wrong), _between(ranked, int(cut))), part.thresholds])
            for cut, part in zip(cuts, parts, strict=True)
        ]
    )
    lost = [stopped[cut] + part.wrong for cut, part in zip(cuts, parts, strict=True)]
    spent = paid + np.concatenate([part.macs for part in parts])
    return _thinned(np.concatenate(lost), spent, bounds)


def _join(first: _Choices, second: _Choices) -> _Choices:
    """Return the choices for the samples of two sets of regions."""
    lost = (first.wrong[:, None] + second.wrong).ravel()
    spent = (first.macs[:, None] + second.macs).ravel()
    kept = undominated(lost, spent)
    left, right = np.divmod(kept, len(second.wrong))
    bounds = np.column_stack([first.thresholds[left], second.thresholds[right]])
    return _Choices(lost[kept], spent[kept], bounds)


def _thinned(wrong: Floats, macs: Floats, thresholds: Floats) -> _Choices:
    kept = undominated(wrong, macs)
    return _Choices(wrong[kept], macs[kept], thresholds[kept])


def undominated(wrong: Floats, macs: Floats) -> NDArray[np.int64]:
    """Return the places of the choices that no other beats, `_KEPT` at most."""
    order = np.lexsort((macs, wrong))
    least = np.minimum.accumulate(np.r_[np.inf, macs[order][:-1]])
    kept = order[macs[order] < least]
    if len(kept) > _KEPT:
        kept = kept[np.linspace(0, len(kept) - 1, _KEPT).round().astype(np.int64)]
    found: NDArray[np.int64] = kept.astype(np.int64)
    return found


def _from_here_on(values: Floats) -> Floats:
    """Return the sums of the values from every place on, one more for the end."""
    sums: Floats = np.r_[np.cumsum(values[::-1])[::-1], 0.0]
    return sums


def _between(ranked: Floats, cut: int) -> float:
    """Return a threshold that the first `cut` of the ranked confidences reach, and no other.

    It lies halfway to the next one, where the precision of the module that is to use it allows.
    """
    if cut == 0:
        return NEVER
    if cut == len(ranked):
        return 0.0
    middle = float(np.float32((ranked[cut - 1] + ranked[cut]) / 2))
    return middle if ranked[cut] < middle <= ranked[cut - 1] else float(ranked[cut - 1])


def _checked(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    regions: ArrayLike | None,
    count: int | None,
) -> tuple[Floats, NDArray[np.bool_], Floats, NDArray[np.int64], int]:
    sure, good = np.asarray(confidence, np.float64), np.asarray(right, bool)
    cost = np.asarray(macs, np.float64)
    if sure.ndim != 2 or not 2 <= len(sure) <= MOST_STAGES or not sure.shape[1]:
        raise InputError(
            f"confidence has shape {sure.shape}, expected (stages, samples): two to {MOST_STAGES} "
            "stages, one sample or more"
        )
    if good.shape != sure.shape:
        raise InputError(f"right has shape {good.shape}, confidence {sure.shape}")
    if cost.shape not in (sure.shape, (len(sure), 1)):
        raise InputError(f"macs has shape {cost.shape}, expected {sure.shape} or {len(sure), 1}")
    if not ((sure >= 0) & (sure <= 1 + _ROUNDING)).all():
        raise InputError("a confidence is outside 0 to 1: give probabilities, no logarithms")
    if not (np.isfinite(cost) & (cost >= 0)).all():
        raise InputError("macs must be finite, 0 or more")
    samples = sure.shape[1]
    place = np.zeros(samples, np.int64) if regions is None else np.asarray(regions).astype(np.int64)
    if place.shape != (samples,) or (place < 0).any():
        raise InputError(f"regions has shape {place.shape}, expected ({samples},), 0 or more each")
    largest = int(place.max())
    if count is not None and count <= largest:
        raise InputError(f"{count} regions, but a sample of region {largest}")
    cost = np.broadcast_to(cost, sure.shape).astype(np.float64)
    return np.minimum(sure, 1.0), good, cost, place, count or largest + 1
