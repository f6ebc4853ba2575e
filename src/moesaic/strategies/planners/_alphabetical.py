"""The alphabetical planner, kept to show what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from moesaic.strategies.planners._base import Candidate, Planner


class AlphabeticalPlanner(Planner):
    """Combinations in alphabetical order, as the published campaign took them.

    Nothing is even: its first C(n - 1, K - 1) candidates all contain the first family. The
    seed is not read.
    """

    name = "alphabetical"

    def candidates(self) -> Iterator[Candidate]:
        """Yield all candidates in alphabetical order."""
        return combinations(self.pool, self.experts)
