"""The stratified planner: families, then pairs of families, equally often at every prefix."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from moesaic.seeds import generator
from moesaic.strategies.planners._base import Candidate, Planner
from moesaic.strategies.planners._order import balanced_order

BATCH = 64


class StratifiedPlanner(Planner):
    """Covers the pool evenly, whenever the campaign is stopped.

    PLACEHOLDER
    """

    name = "stratified"

    def candidates(self) -> Iterator[Candidate]:
        """Yield all candidates, evenly."""
        families = len(self.pool)
        shuffled = generator(self.seed, "planner/stratified").permutation(families)
        names = [self.pool[place] for place in shuffled]
        left_out = 2 * self.experts > families
        size = families - self.experts if left_out else self.experts
        if size == 0:
            yield self.pool
            return
        order = balanced_order(families, size)
        for start in count(0, BATCH):
            blocks = order.first(start + BATCH)[start:]
            for block in blocks:
                members = set(range(families)).difference(block) if left_out else block
                yield tuple(sorted(names[member] for member in members))
            if len(blocks) < BATCH:
                return
