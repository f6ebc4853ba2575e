"""Which experts of a cheap and of a dear mixture go together best, as the stages of a cascade.

It reads what experts answered on the validation split and trains nothing.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.errors import InputError
from moesaic.selection._cascade import NEVER, cascade_front, undominated


class StagesChoice(NamedTuple):
    """The experts of a cascade of two mixtures, chosen together.

    Attributes:
        experts: (R, 2), the expert that answers a region first and the one that is asked where that
            one is not sure; twice the same where no second answer pays for itself.
        macs: mean multiply-accumulates of a sample, both stages and their gates counted.
        error: share of wrong answers.
        objective: `error` plus the price of `macs`, if there is one.
    """

    experts: NDArray[np.int64]
    macs: float
    error: float
    objective: float


class _Pairs(NamedTuple):
    """What the experts of a region can do alone, and in pairs.

    Attributes:
        alone: multiply-accumulates, share of wrong answers, twice the expert; cheapest first.
        fronts: cheap and dear expert -> multiply-accumulates (P,) and shares of wrong answers (P,).
    """

    alone: list[tuple[float, float, tuple[int, int]]]
    fronts: dict[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return the cost (P,), share of wrong answers (P,) and experts (P, 2) of all of it."""
        macs = [np.array([one[0] for one in self.alone]), *(one[0] for one in self.fronts.values())]
        error = [np.array([one[1] for one in self.alone])]
        error += [one[1] for one in self.fronts.values()]
        pairs = [one[2] for one in self.alone]
        pairs += [pair for pair, one in self.fronts.items() for _ in one[0]]
        return np.concatenate(macs), np.concatenate(error), np.array(pairs, np.int64)

    def best(self, price: float) -> tuple[tuple[int, int], float, float]:
        """Return the best pair at a price, its share of wrong answers and its mean cost."""
        found = [(error + price * macs, macs, error, pair) for macs, error, pair in self.alone]
        for pair, (costs, errors) in self.fronts.items():
            row = int((errors + price * costs).argmin())
            found.append((errors[row] + price * costs[row], costs[row], errors[row], pair))
        # of equal ones the cheapest
        _, mean, error, pair = min(found, key=lambda one: one[:2])
        return pair, float(error), float(mean)


def choose_stages(
    confidence: ArrayLike,
    right: ArrayLike,
    macs: ArrayLike,
    regions: ArrayLike,
    *,
    price: float | None = None,
    max_macs: float | None = None,
    serves: ArrayLike | None = None,
    gate: float = 0.0,
) -> StagesChoice:
    """Return the two experts of every region that lose least: wrong answers plus the price.

    Two mixtures that are each best at some price need not go together: a first stage that answers
    little alone costs and saves nothing, and of a dear second one only what reaches it is paid. So
    every pair of experts is judged by the cascade it makes, its threshold the best of all
    (`cascade_front`), and beside the pairs every expert alone. Both terms are sums over the
    regions, which are decided one by one, so the choice is exact as far as the front is. Under a
    limit the regions' fronts are joined, each thinned to 2,000 choices.

    Args:
        confidence: the largest probability of every expert's answer, (E, N), 0 to 1.
        right: whether that answer is right, (E, N).
        macs: of every expert, (E,).
        regions: the region of every sample, (N,), 0 to R - 1, none of them empty.
        price: share of right answers that a multiply-accumulate must buy, 0 or more.
        max_macs: most multiply-accumulates of a sample in the mean; either of the two is given.
        serves: whether an expert was trained for a region, (E, R); all for all when not given.
        gate: multiply-accumulates of each mixture's gate, paid at every stage that is asked.

    Raises:
        InputError: shapes that do not fit, a region without samples or experts, a price below 0, a
            confidence outside 0 to 1, a limit that the cheapest experts do not keep to.
    """
    sure, good = np.asarray(confidence, np.float64), np.asarray(right, bool)
    cost, place = np.asarray(macs, np.float64), np.asarray(regions).astype(np.int64)
    _check(sure, good, cost, place, gate)
    if (price is None) == (max_macs is None):
        raise InputError("give either a price or max_macs")
    if price is not None and not 0 <= price < np.inf:
        raise InputError(f"price is {price}, expected 0 or more")
    count = int(place.max()) + 1
    able = np.ones((len(sure), count), bool) if serves is None else np.asarray(serves, bool)
    if able.shape != (len(sure), count):
        raise InputError(f"serves has shape {able.shape}, expected {len(sure), count}")
    pairs = []
    for region in range(count):
        rows, own = np.flatnonzero(place == region), np.flatnonzero(able[:, region])
        if not len(rows) or not len(own):
            raise InputError(f"region {region} has {len(rows)} samples and {len(own)} experts")
        pairs.append(_pairs(own, sure[:, rows], good[:, rows], cost + gate))
    share = np.bincount(place) / len(place)
    if price is not None:
        return _at(pairs, share, price)
    return _within(pairs, share, float(max_macs or 0.0))


def _within(pairs: list[_Pairs], share: NDArray[np.float64], max_macs: float) -> StagesChoice:
    """Return the most accurate choice that keeps to a limit: the regions' fronts are joined."""
    wrong, spent, chosen = np.zeros(1), np.zeros(1), np.zeros((1, 0, 2), np.int64)
    for one, part in zip(pairs, share, strict=True):
        macs, error, experts = one.points()
        own = undominated(error, macs)
        lost = (wrong[:, None] + part * error[own]).ravel()
        cost = (spent[:, None] + part * macs[own]).ravel()
        kept = undominated(lost, cost)
        before, row = np.divmod(kept, len(own))
        wrong, spent = lost[kept], cost[kept]
        chosen = np.concatenate([chosen[before], experts[own][row][:, None]], axis=1)
    within = np.flatnonzero(spent <= max_macs)
    if not len(within):
        raise InputError(
            f"the cheapest experts need {spent.min():,.0f} multiply-accumulates a sample, over the "
            f"limit of {max_macs:,.0f}: raise it"
        )
    best = int(within[np.lexsort((spent[within], wrong[within]))[0]])
    return StagesChoice(chosen[best], float(spent[best]), float(wrong[best]), float(wrong[best]))


def _at(pairs: list[_Pairs], share: NDArray[np.float64], price: float) -> StagesChoice:
    """Return the best choice at a price."""
    experts, wrong, spent = [], 0.0, 0.0
    for one, part in zip(pairs, share, strict=True):
        pair, error, each = one.best(price)
        experts.append(pair)
        wrong, spent = wrong + part * error, spent + part * each
    return StagesChoice(np.array(experts, np.int64), spent, wrong, wrong + price * spent)


def _pairs(
    own: NDArray[np.int64],
    sure: NDArray[np.float64],
    good: NDArray[np.bool_],
    cost: NDArray[np.float64],
) -> _Pairs:
    """Return what every expert alone and every pair of them can do on the samples of a region."""
    order = [int(one) for one in own[np.argsort(cost[own], kind="stable")]]
    alone = [(cost[one], float((~good[one]).mean()), (one, one)) for one in order]
    fronts = {}
    for cheap, dear in combinations(order, 2):
        pair = [cheap, dear]
        front = cascade_front(sure[pair], good[pair], cost[pair, None])
        # who stops nobody or everybody is one of them alone, at no cost for the other
        both = [point for point in front if 0 < point.thresholds[0, 0] < NEVER]
        if both:
            fronts[cheap, dear] = (
                np.array([point.macs for point in both]),
                np.array([point.error for point in both]),
            )
    return _Pairs(alone, fronts)


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
