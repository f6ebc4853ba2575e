"""The random planner: uniform draws without replacement, and the numbering of combinations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import comb

from moesaic.seeds import derive_seed
from moesaic.strategies.planners._base import Candidate, Planner


class RandomPlanner(Planner):
    """Every order of the C(n, K) candidates is equally likely.

    Counts are even on average and at no prefix exactly: after c candidates a family was used
    cK/n times, give or take about the square root of it.
    """

    name = "random"

    def candidates(self) -> Iterator[Candidate]:
        """Yield all candidates, shuffled.

        A shuffle of Fisher and Yates that remembers only the places it has touched. The
        numbers can be larger than 64 bits, hence the generator of the standard library.
        """
        rng = random.Random(derive_seed(self.seed, "planner/random"))
        moved: dict[int, int] = {}
        for place in range(self.space):
            drawn = rng.randrange(place, self.space)
            rank = moved.pop(drawn, drawn)
            if drawn != place:
                moved[drawn] = moved.pop(place, place)
            yield tuple(self.pool[member] for member in unrank(rank, len(self.pool), self.experts))


def unrank(rank: int, families: int, experts: int) -> tuple[int, ...]:
    """Return the combination of that number in lexicographic order.

    Args:
        rank: 0 .. C(n, K) - 1.
        families: n; the members are 0 .. n - 1.
        experts: K.
    """
    chosen: list[int] = []
    member = 0
    while len(chosen) < experts:
        with_it = comb(families - member - 1, experts - len(chosen) - 1)
        if rank < with_it:
            chosen.append(member)
        else:
            rank -= with_it
        member += 1
    return tuple(chosen)
