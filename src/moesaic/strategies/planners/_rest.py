"""The candidates that are left of a space small enough to list: rounds and single choices.

It is asked when a search by swaps only finds candidates that were planned before.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from moesaic.strategies.planners._evenness import pair_weights
from moesaic.strategies.planners._round import Block, Round, make_round
from moesaic.strategies.planners._swaps import Bools, Ints

WIDTH = 6


class Rest:
    """Every candidate of C(n, K), and which of them are left."""

    def __init__(self, families: int, experts: int, used: Iterable[Block]) -> None:
        """List the space, about n + 2K bytes a candidate, and cross out what was used."""
        count = comb(families, experts)
        every = chain.from_iterable(combinations(range(families), experts))
        self._members = np.fromiter(every, dtype=np.int16, count=count * experts)
        self._members = self._members.reshape(count, experts)
        self._holds = np.zeros((count, families), dtype=bool)
        self._holds[np.arange(count)[:, None], self._members] = True
        self._row = {tuple(block): row for row, block in enumerate(self._members.tolist())}
        self._left = np.ones(count, dtype=bool)
        for block in used:
            self.use(block)

    def use(self, block: Block) -> None:
        """Cross out a candidate."""
        self._left[self._row[block]] = False

    def give_back(self, block: Block) -> None:
        """Undo `use`."""
        self._left[self._row[block]] = True

    def round(
        self, pairs: Ints, begun: Bools, nodes: int, rng: np.random.Generator
    ) -> Round | None:
        """Return a round of what is left, cheapest first, or None after `nodes` dead ends."""
        rows = np.flatnonzero(self._left)
        cost = self._cost(rows, pairs, rng)
        search = _RoundSearch(self._holds[rows], cost, self._members.shape[1], nodes)
        found = search.complete(~begun, ())
        if found is None:
            return None
        blocks = [self._block(rows[place]) for place in found[0]]
        return make_round(pairs, blocks, found[1])

    def evenest(self, counts: Ints, pairs: Ints, rng: np.random.Generator) -> Block:
        """Return what leaves family counts (n,), then pairs, most even; one must be left."""
        rows = np.flatnonzero(self._left)
        after = counts + self._holds[rows]
        apart = after.max(axis=1) - after.min(axis=1)
        squares = (after**2).sum(axis=1)
        order = np.lexsort((self._cost(rows, pairs, rng), squares, apart))
        return self._block(rows[order[0]])

    def _cost(self, rows: Ints, pairs: Ints, rng: np.random.Generator) -> Ints:
        weight = pair_weights(pairs, rng)
        members = self._members[rows]
        cost = np.zeros(len(rows), dtype=np.int64)
        for one, other in combinations(range(members.shape[1]), 2):
            cost += weight[members[:, one], members[:, other]]
        return cost

    def _block(self, row: int) -> Block:
        return tuple(self._members[row].tolist())


class _RoundSearch:
    """Depth-first search for a round; what it finds first it keeps."""

    def __init__(self, holds: Bools, cost: Ints, experts: int, nodes: int) -> None:
        self._holds, self._cost, self._experts, self._nodes = holds, cost, experts, nodes

    def complete(
        self, left: Bools, chosen: tuple[int, ...]
    ) -> tuple[tuple[int, ...], Bools] | None:
        """Return (rows, guests) that use up the families that are left, or None."""
        size = int(left.sum())
        if size == 0:
            return chosen, np.zeros(len(left), dtype=bool)
        self._nodes -= 1
        if self._nodes < 0:
            return None
        if size < self._experts:
            return self._close(left, chosen)
        for row in self._branches(left, size):
            if row in chosen:
                continue
            found = self.complete(left & ~self._holds[row], (*chosen, int(row)))
            if found is not None or self._nodes < 0:
                return found
        return None

    def _branches(self, left: Bools, size: int) -> NDArray[np.intp]:
        """Return the rows to try: inside what is left, cheapest first.

        When K divides what is left, somebody has to take the family that is rarest there.
        """
        rows = np.flatnonzero(~(self._holds & ~left).any(axis=1))
        rows = rows[np.argsort(self._cost[rows], kind="stable")]
        if size % self._experts:
            return rows[:WIDTH]
        often = np.where(left, self._holds[rows].sum(axis=0), len(rows) + 1)
        taking: NDArray[np.intp] = rows[self._holds[rows, int(often.argmin())]]
        return taking

    def _close(self, left: Bools, chosen: tuple[int, ...]) -> tuple[tuple[int, ...], Bools] | None:
        rows = np.flatnonzero(self._holds[:, left].all(axis=1))
        rows = rows[~np.isin(rows, chosen)]
        if not len(rows):
            return None
        row = int(rows[self._cost[rows].argmin()])
        return (*chosen, row), self._holds[row] & ~left
