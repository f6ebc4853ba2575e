"""Which experts of a cheap and of a dear mixture go together best, as the stages of a cascade.

It reads what experts answered on the validation split and trains nothing.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError
from moesaic.selection._cascade import NEVER, best_at, cascade_front


class StagesChoice(NamedTuple):
    """The experts of a cascade of two mixtures, chosen together.

    Attributes:
        experts: (R, 2), the expert that answers a region first and the one that is asked where that
            one is not sure; twice the same where no second answer pays for itself.
        macs: mean multiply-accumulates of a sample, both stages and their gates counted.
        error: share of wrong answers.
        objective: `error` plus the price of `macs`.
    """

    experts: NDArray[np.int64]
    macs: float
    error: float
    objective: float


def choose_stages(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    regions: ArrayLike,
    price: float,
    *,
    serves: ArrayLike | None = None,
    gate: float = 0.0,
) -> StagesChoice:
    """Return the two experts of every region that lose least: wrong answers plus the price.

    Two mixtures that are each best at some price need not go together: a first stage that answers
    little alone costs and saves nothing, and of a dear second one only what reaches it is paid. So
    every pair of experts is judged by the cascade it makes, its threshold the best of all
    (`cascade_front`), and beside the pairs every expert alone. Both terms are sums over the
    regions, which are decided one by one, so the choice is exact.

    Args:
        confidence: the largest probability of every expert's answer, (E, N), 0 to 1.
        right: whether that answer is right, (E, N).
        macs: of every expert, (E,).
        regions: the region of every sample, (N,), 0 to R - 1, none of them empty.
        price: share of right answers that a multiply-accumulate must buy, 0 or more.
        serves: whether an expert was trained for a region, (E, R); all for all when not given.
        gate: multiply-accumulates of each mixture's gate, paid at every stage that is asked.

    Raises:
        InputError: shapes that do not fit, a region without samples or experts, a price below 0, a
            confidence outside 0 to 1.
    """
    sure, good = np.asarray(confidence, np.float64), np.asarray(right, bool)
    cost, place = np.asarray(macs, np.float64), np.asarray(regions).astype(np.int64)
    _check(sure, good, cost, place, gate)
    if not 0 <= price < np.inf:
        raise InputError(f"price is {price}, expected 0 or more")
    count = int(place.max()) + 1
    able = np.ones((len(sure), count), bool) if serves is None else np.asarray(serves, bool)
    if able.shape != (len(sure), count):
        raise InputError(f"serves has shape {able.shape}, expected {len(sure), count}")
    experts = np.zeros((count, 2), np.int64)
    wrong = spent = 0.0
    for region in range(count):
        rows, own = np.flatnonzero(place == region), np.flatnonzero(able[:, region])
        if not len(rows) or not len(own):
            raise InputError(f"region {region} has {len(rows)} samples and {len(own)} experts")
        pair, error, each = _best_pair(own, sure[:, rows], good[:, rows], cost + gate, price)
        experts[region] = pair
        wrong, spent = wrong + error * len(rows), spent + each * len(rows)
    error, mean = wrong / len(place), spent / len(place)
    return StagesChoice(experts, mean, error, error + price * mean)


def _best_pair(
    own: NDArray[np.int64],
    sure: NDArray[np.float64],
    good: NDArray[np.bool_],
    cost: NDArray[np.float64],
    price: float,
) -> tuple[tuple[int, int], float, float]:
    """Return the best pair for the samples of a region, its error and its mean cost."""
    order = [int(one) for one in own[np.argsort(cost[own], kind="stable")]]
    found = []
    for one in order:
        error = float((~good[one]).mean())
        found.append((error + price * cost[one], cost[one], error, (one, one)))
    for cheap, dear in combinations(order, 2):
        pair = [cheap, dear]
        point = best_at(cascade_front(sure[pair], good[pair], cost[pair, None]), price)
        if not 0 < point.thresholds[0, 0] < NEVER:
            continue  # one of them alone, and at no cost for the other
        found.append((point.error + price * point.macs, point.macs, point.error, (cheap, dear)))
    # of equal ones the cheapest
    _, mean, error, best = min(found, key=lambda one: one[:2])
    return best, error, float(mean)


def _check(
    sure: NDArray[np.float64],
    good: NDArray[np.bool_],
    cost: NDArray[np.float64],
    place: NDArray[np.int64],
    gate: float,
) -> None:
    if sure.ndim != 2 or not sure.size:
        raise InputError(f"confidence has shape {sure.shape}, expected (experts, samples)")
    if good.shape != sure.shape or place.shape != sure.shape[1:] or (place < 0).any():
        raise InputError(
            f"right has shape {good.shape} and regions {place.shape}, confidence {sure.shape}; "
            "regions are 0 or more"
        )
    if cost.shape != sure.shape[:1]:
        raise InputError(f"macs has shape {cost.shape}, expected ({len(sure)},)")
    if not (np.isfinite(cost) & (cost >= 0)).all() or not 0 <= gate < np.inf:
        raise InputError("macs must be finite, 0 or more")
