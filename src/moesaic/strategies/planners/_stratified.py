"""The stratified planner: families, then pairs of families, equally often at every prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moesaic.seeds import generator
from moesaic.strategies.planners._base import Candidate, Planner
from moesaic.strategies.planners._order import balanced_order
from moesaic.strategies.planners._small import is_small, small_order

BATCH = 32


class StratifiedPlanner(Planner):
    """Covers the pool evenly, whenever the campaign is stopped.

    At every prefix of the plan:

    - Family counts differ by at most one, until 85 % of the space is planned; from there to the
      end, where what is left is forced, by at most two. For K = 2, and where K is n/2 of at
      most ten families, by at most one to the end.
    - Pair counts, over the first quarter of the space but no more than 250 candidates, differ
      by at most one for K = 2; two for K <= 4 and n >= 17; three for other K <= 4, and for
      n >= 4.5 K; five otherwise, the more the larger K/n is. For up to 12 families and 500
      candidates it is four instead, to the end of the space. More than two is sometimes
      forced: with five of ten families, whoever plans, from the fifth candidate on.
    - No candidate comes twice.

    The plan is one order of (n, K), found by search and the same for every seed; the seed
    shuffles which family plays which part. What holds for one seed holds for all of them.

    Sequences with even family counts are concatenated permutations of the pool, cut into pieces
    of K. Up to 12 families and 500 candidates the order is found by a depth-first search
    over candidates; above that in rounds, each the best of a few tabu searches; a mixture of
    more than half the pool is planned by what it leaves out. All of it is whole-number
    arithmetic, so that two machines make the same plan.
    """

    name = "stratified"

    def candidates(self) -> Iterator[Candidate]:
        """Yield all candidates, evenly."""
        shuffled = generator(self.seed, "planner/stratified").permutation(len(self.pool))
        names = [self.pool[place] for place in shuffled]
        for block in self._blocks():
            yield tuple(sorted(names[member] for member in block))

    def _blocks(self) -> Iterator[Iterable[int]]:
        """Yield the order of (n, K): searched whole, in rounds, or what the rounds leave out."""
        families = len(self.pool)
        if is_small(families, self.experts):
            yield from small_order(families, self.experts)
            return
        left_out = 2 * self.experts > families
        order = balanced_order(families, families - self.experts if left_out else self.experts)
        for start in range(0, self.space, BATCH):
            for block in order.first(start + BATCH)[start:]:
                yield set(range(families)).difference(block) if left_out else block
