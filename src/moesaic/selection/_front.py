"""The front of loss against expected multiply-accumulates, and the price that keeps a limit.

It reads the losses of a bank and trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from moesaic.errors import InputError
from moesaic.selection._problem import Floats, Limits, Selection, check_matrix
from moesaic.selection._select import select

POINTS = 48
_NEAREST = 1e-5  # points nearer than this share of their MACs are one
_TIE = 1e-7  # of the range of the losses: what the cheaper of two equal choices is worth
_SAME = 1e-9


class FrontPoint(NamedTuple):
    """A choice of K experts that no other one beats in loss and in cost.

    Attributes:
        macs: expected multiply-accumulates of one sample, weighted by use, gate counted.
        objective: weighted mean loss, in its own unit, the price not in it.
        chosen: K rows of the loss matrix, ascending; one that serves nobody is among them where
            fewer are as good.
        routing: (M, K), one-hot rows; column k is `chosen[k]`.
    """

    macs: float
    objective: float
    chosen: tuple[int, ...]
    routing: Floats


def front(
    loss: ArrayLike,
    weight: ArrayLike,
    macs: ArrayLike,
    experts: int,
    *,
    gate: float = 0.0,
    limits: Limits | None = None,
    points: int = POINTS,
) -> list[FrontPoint]:
    """Return the front of loss against expected MACs, cheapest first, every point proven.

    The epsilon-constraint method (Haimes, Lasdon and Wismer 1971) with the exact solver: from the
    most accurate choice on, the best one that is cheaper by a step, until there is none. So points
    that no price leads to (unsupported ones) are found too. A step is 1 / `points` of the range:
    between two points there may be others that are nearer than that, and where there are at most
    `points` of them that far apart the front is whole.

    Args:
        loss: (E, M), of any unit, nats say; not finite: that expert may not serve that cluster.
        weight: (M,) cluster sizes.
        macs: (E,) multiply-accumulates of one sample through each expert.
        experts: K, 1 .. min(E, M).
        gate: multiply-accumulates of the gate, added to every point.
        limits: what every choice must obey; its `max_macs` counts the gate, too.
        points: most points.

    Raises:
        InputError: as `select`, or fewer than two points.
    """
    if points < 2:
        raise InputError(f"points is {points}, expected 2 or more: a front has two ends")
    losses, share = check_matrix(loss, weight)
    cost = np.asarray(macs, dtype=np.float64)
    limits = limits or Limits()
    if limits.max_macs is not None:
        limits = replace(limits, max_macs=limits.max_macs - gate)
    spread = _range(cost)
    tie = _TIE * _range(losses[:, share > 0]) / spread if spread > 0 else 0.0

    def solved(limits: Limits) -> tuple[float, float, Selection]:
        choice = select(losses, share, experts, limits, exact=True, macs=cost, price=tie)
        return *_measured(choice, losses, share, cost), choice

    best = solved(limits)
    least = float(cost[np.isfinite(losses[:, share > 0]).any(axis=1)].min())
    step = max(best[0] - least, 0.0) / points
    found = [best]
    while best[0] > least:
        below = min(best[0] * (1.0 - _NEAREST), best[0] - step)
        try:
            best = solved(replace(limits, max_macs=below))
        except InputError:  # nothing is as cheap as that
            break
        found.append(best)
    ordered = sorted(found, key=lambda point: point[:2])
    kept: list[FrontPoint] = []
    for paid, mean, choice in ordered:
        if not kept or mean < kept[-1].objective - _SAME * (1.0 + abs(mean)):
            kept.append(FrontPoint(paid + gate, mean, choice.chosen, choice.routing))
    return kept


def shadow_price(
    loss: ArrayLike, weight: ArrayLike, macs: ArrayLike, experts: int, max_macs: float
) -> float:
    """Return the least price, in the unit of the loss per MAC, whose choice keeps to `max_macs`.

    What one multiply-accumulate more would save where the limit binds; 0 where it does not, and
    infinite where even the cheapest expert is above it.

    Args:
        loss: (E, M), of any unit, finite where a cluster has weight.
        weight: (M,) cluster sizes.
        macs: (E,) multiply-accumulates of one sample.
        experts: K.
        max_macs: highest expected multiply-accumulates of one sample, gate not counted.

    Raises:
        InputError: as `select`.
    """
    losses, share = check_matrix(loss, weight)
    losses, share = losses[:, share > 0], share[share > 0]
    cost = np.asarray(macs, dtype=np.float64)

    def at(price: float) -> tuple[float, float]:
        choice = select(losses, share, experts, exact=True, macs=cost, price=price)
        return _measured(choice, losses, share, cost)

    dear = at(0.0)
    if dear[0] <= max_macs:
        return 0.0
    row = int(np.lexsort((losses @ share, cost))[0])
    cheap = float(cost[row]), float(losses[row] @ share)
    if cheap[0] > max_macs:
        return float("inf")
    while True:
        price = max(cheap[1] - dear[1], 0.0) / (dear[0] - cheap[0])
        between = at(price)
        worth = dear[1] + price * dear[0] - between[1] - price * between[0]
        if worth <= _SAME * (1.0 + abs(dear[1])):
            return price
        if between[0] <= max_macs:
            cheap = between
        else:
            dear = between


def cheapest_as_good(points: Sequence[tuple[float, float]], objective: float) -> float | None:
    """Return the MACs of the cheapest point whose loss is at most `objective`, None without one.

    Args:
        points: (expected MACs, loss) of each.
        objective: in the unit of the loss.
    """
    good = [macs for macs, loss in points if loss <= objective + _SAME * (1.0 + abs(objective))]
    return min(good, default=None)


def _measured(
    choice: Selection, losses: Floats, share: Floats, cost: Floats
) -> tuple[float, float]:
    """Return expected MACs and mean loss of a choice; clusters of weight 0 do not count."""
    serving = choice.assignment
    used = share > 0
    values = losses[serving, np.arange(len(share))]
    return float(share @ cost[serving]), float(share[used] @ values[used])


def _range(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) if known.size else 0.0
