"""The balanced order of a space so small that it can be searched candidate by candidate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np

from moesaic.seeds import generator
from moesaic.strategies.planners._evenness import upper_pairs, with_block
from moesaic.strategies.planners._rest import Rest
from moesaic.strategies.planners._round import Block
from moesaic.strategies.planners._swaps import Ints

SMALL_SPACE = 500
SMALL_POOL = 12
LIMITS = (1, 2, 3, 4)
NODES = 1_500


def is_small(families: int, experts: int) -> bool:
    """Return whether `small_order` is meant for it; rounds do better in larger spaces."""
    return families <= SMALL_POOL and comb(families, experts) <= SMALL_SPACE


@lru_cache(maxsize=64)
def small_order(families: int, experts: int) -> tuple[Block, ...]:
    """Return all C(n, K) candidates, evenest order found: exact as far as the search came.

    Depth first, under a limit on how far pair counts may be apart; family counts are never
    more than one apart. The least limit under which all candidates found a place wins, or
    else the longest order, and what is left follows one by one, evenest first.
    """
    best: list[int] = []
    space = _Space(families, experts)
    for limit in LIMITS:
        for by_cost in (True, False):
            found = space.longest(limit, by_cost)
            best = max(best, found, key=len)
            if len(best) == space.size:
                return tuple(space.blocks[row] for row in best)
    return tuple(_finish([space.blocks[row] for row in best], families, experts))


class _Space:
    """All candidates of a small space, as rows."""

    def __init__(self, families: int, experts: int) -> None:
        self.blocks = list(combinations(range(families), experts))
        self.size = len(self.blocks)
        self._experts = experts
        number = np.zeros((families, families), dtype=np.int64)
        number[upper_pairs(families)] = np.arange(comb(families, 2))
        self._pairs = np.array(
            [[number[pair] for pair in combinations(block, 2)] for block in self.blocks]
        )
        self._holds = np.zeros((self.size, families), dtype=bool)
        self._holds[np.arange(self.size)[:, None], np.array(self.blocks)] = True
        self._kinds = comb(families, 2)

    def longest(self, limit: int, by_cost: bool) -> list[int]:
        """Return the longest order found whose every beginning keeps to the limit.

        Args:
            limit: how far pair counts may be apart.
            by_cost: try the candidate first whose pairs were used least, or else the first in
                alphabetical order, which finds regular structures.
        """
        left = np.ones(self.size, dtype=bool)
        counts = np.zeros(self._holds.shape[1], dtype=np.int64)
        met = np.zeros(self._kinds, dtype=np.int64)
        path: list[int] = []
        best: list[int] = []
        branches = [self._options(left, counts, met, limit, by_cost)]
        nodes = NODES
        while branches and nodes and len(best) < self.size:
            row = next(branches[-1], None)
            if row is None:
                branches.pop()
                if path:
                    self._place(path.pop(), -1, left, counts, met)
                continue
            nodes -= 1
            path.append(row)
            self._place(row, 1, left, counts, met)
            if len(path) > len(best):
                best = list(path)
            branches.append(self._options(left, counts, met, limit, by_cost))
        return best

    def _place(self, row: int, by: int, left: Ints, counts: Ints, met: Ints) -> None:
        left[row] = by < 0
        counts[list(self.blocks[row])] += by
        met[self._pairs[row]] += by

    def _options(
        self, left: Ints, counts: Ints, met: Ints, limit: int, by_cost: bool
    ) -> Iterator[int]:
        """Return the rows that may follow: the least used families first, pairs in the limit."""
        rows = np.flatnonzero(left)
        low = counts == counts.min()
        rows = rows[self._holds[rows][:, low].sum(axis=1) == min(self._experts, int(low.sum()))]
        used = met[self._pairs[rows]]
        fewest = int(met.min())
        ceiling = used.max(axis=1) - fewest
        raises = (used == fewest).sum(axis=1) == (met == fewest).sum()
        allowed = (ceiling < limit) | (raises & (ceiling == limit))
        rows, used = rows[allowed], used[allowed]
        if by_cost:
            cost = (4 ** np.minimum(used - fewest, 8)).sum(axis=1)
            rows = rows[np.argsort(cost, kind="stable")]
        return iter(rows.tolist())


def _finish(begun: list[Block], families: int, experts: int) -> list[Block]:
    """Return the order with what is left appended one by one, evenest first."""
    rest = Rest(families, experts, begun)
    pairs = np.zeros((families, families), dtype=np.int64)
    for block in begun:
        pairs = with_block(pairs, block)
    counts = np.bincount(np.array(begun).ravel(), minlength=families)
    order = list(begun)
    while len(order) < comb(families, experts):
        rng = generator(0, f"planner/{families}/{experts}/rest", len(order))
        block = rest.evenest(counts, pairs, rng)
        rest.use(block)
        order.append(block)
        counts[list(block)] += 1
        pairs = with_block(pairs, block)
    return order
