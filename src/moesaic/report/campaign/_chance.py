"""Tests of a design: against uniform draws, of its order, of its failures; it words nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import fisher_exact

from moesaic.report.campaign._space import Integers, Space
from moesaic.seeds import generator

Floats = NDArray[np.float64]
DRAWS = 1999
_TIE = 1.0 + 1e-7  # two probabilities that differ by rounding are equal


def inclusion_p(space: Space, families: int, drawn: int, counts: Integers) -> Floats:
    """Return the exact two-sided p of how many candidates hold given families, (m,).

    Drawn uniformly without replacement, that number is hypergeometric; p sums the
    probabilities of all numbers that are no likelier than the one seen.

    Args:
        space: what was drawn from.
        families: how many families are given: 1, or 2 for pairs.
        drawn: the number of different candidates.
        counts: (m,) how many of them hold the given families.
    """
    chance = _hypergeometric(space.size, space.holding(families), drawn)
    table = np.array([chance[chance <= seen * _TIE].sum() for seen in chance])
    p: Floats = np.minimum(table[counts], 1.0)
    return p


def _hypergeometric(size: int, holders: int, drawn: int) -> Floats:
    """Return the probability of every number of holders, (drawn + 1,), for spaces of any size."""
    low, high = max(0, drawn - (size - holders)), min(holders, drawn)
    steps = [
        math.log((holders - k) * (drawn - k)) - math.log((k + 1) * (size - holders - drawn + k + 1))
        for k in range(low, high)
    ]
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    chance = np.zeros(drawn + 1)
    chance[low : high + 1] = np.exp(logs - logsumexp(logs))
    return chance


def holm(p: Floats) -> Floats:
    """Return p adjusted so that any false alarm among them is as rare as one was (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def uniform_p(space: Space, members: Integers, seed: int) -> float:
    """Return the p of unequal family counts, from 1,999 uniform designs of the same size.

    The statistic is chi-square of the family counts; their expectations are equal, so that it
    grows with the sum of squared counts, which is compared exactly.

    Args:
        space: what was drawn from.
        members: (D, K) places of the different candidates in the pool.
        seed: of the draws.
    """
    rng = generator(seed, "audit-uniform")
    seen = _squares(members, len(space.pool))
    drawn = (_squares(space.draw(len(members), rng), len(space.pool)) for _ in range(DRAWS))
    return (1 + sum(value >= seen for value in drawn)) / (DRAWS + 1)


def order_p(members: Integers, families: int, seed: int) -> float:
    """Return the p of an order that tells which families come, from 1,999 random orders.

    The statistic sums over families the squared distance of their mean position from the
    middle, each in units of its spread under random order; anchored families add nothing.

    Args:
        members: (D, K) places of the different candidates in the pool, in order.
        families: n.
        seed: of the random orders.
    """
    count = len(members)
    if count < 2:
        return 1.0
    rng = generator(seed, "audit-order")
    holds = np.zeros((count, families))
    np.put_along_axis(holds, members, 1.0, axis=1)
    share = holds.mean(axis=0)
    spread = share * (1.0 - share)
    holds = holds[:, spread > 0] / np.sqrt(spread[spread > 0])
    place = np.arange(count) - (count - 1) / 2.0
    seen = float(((place @ holds) ** 2).sum())
    orders = rng.permuted(np.tile(place, (DRAWS, 1)), axis=1)
    drawn = ((orders @ holds) ** 2).sum(axis=1)
    return float((1 + (drawn * _TIE >= seen).sum()) / (DRAWS + 1))


def failure_p(holds: NDArray[np.bool_], failed: NDArray[np.bool_]) -> Floats:
    """Return Fisher's exact one-sided p that holders of each group fail more often, (m,).

    Args:
        holds: (T, m) whether a tried candidate holds the group.
        failed: (T,) whether it failed.
    """
    return np.array([_fisher(column, failed) for column in holds.T])


def _fisher(holds: NDArray[np.bool_], failed: NDArray[np.bool_]) -> float:
    table: Sequence[Sequence[int]] = [
        [int((holds & failed).sum()), int((holds & ~failed).sum())],
        [int((~holds & failed).sum()), int((~holds & ~failed).sum())],
    ]
    return float(fisher_exact(table, alternative="greater").pvalue)


def _squares(members: Integers, families: int) -> int:
    counts = np.bincount(members.ravel(), minlength=families)
    return int((counts**2).sum())
