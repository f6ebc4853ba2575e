"""All candidates of a pool, counted, numbered and drawn; it knows none that were tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError
from moesaic.report.campaign._candidates import Candidate, families_of

Integers = NDArray[np.int64]
_MOST = 2**62


@dataclass(frozen=True)
class Space:
    """Every set of K families of a pool.

    Attributes:
        pool: the names, n of them, all different.
        experts: K.
    """

    pool: tuple[str, ...]
    experts: int

    @property
    def size(self) -> int:
        """The number of candidates, n over K."""
        return math.comb(len(self.pool), self.experts)

    def holding(self, families: int) -> int:
        """Return the number of candidates that hold some given, different families."""
        if families > self.experts:
            return 0
        return math.comb(len(self.pool) - families, self.experts - families)

    def members(self, candidates: Sequence[Candidate]) -> Integers:
        """Return (D, K): the places in the pool of every candidate's families, ascending."""
        place = {name: index for index, name in enumerate(self.pool)}
        rows = [sorted(place[name] for name in found.families) for found in candidates]
        return np.array(rows, dtype=np.int64).reshape(len(candidates), self.experts)

    def draw(self, count: int, rng: np.random.Generator) -> Integers:
        """Draw (count, K) members of different candidates, every set of them equally likely."""
        rank = rng.choice(self.size, count, replace=False, shuffle=False)
        members = np.empty((count, self.experts), dtype=np.int64)
        # the combinatorial number system: rank = sum over j of C(member_j, j)
        for j in range(self.experts, 0, -1):
            steps = np.array([math.comb(c, j) for c in range(len(self.pool))], dtype=np.int64)
            members[:, j - 1] = np.searchsorted(steps, rank, side="right") - 1
            rank = rank - steps[members[:, j - 1]]
        return members


def make_space(candidates: Sequence[Candidate], pool: Sequence[str] | None) -> Space:
    """Return the space that candidates were taken from.

    Args:
        candidates: at least one, all of one size.
        pool: the families that could have been chosen; those that were, when not given.

    Raises:
        InputError: a candidate holds a family that is not in the pool, or the space is beyond
            counting in 62 bits.
    """
    seen = families_of(candidates)
    names = seen if pool is None else tuple(pool)
    strange = sorted(set(seen) - set(names))
    if strange:
        raise InputError(
            f"{', '.join(strange[:5])} {'is' if len(strange) == 1 else 'are'} in candidates but "
            "not in the pool: add what is missing to the pool"
        )
    space = Space(names, len(candidates[0].families))
    if space.size > _MOST:
        raise InputError(
            f"{space.experts} of {len(names)} families make {space.size:.1e} candidates: give a "
            "pool with fewer than 4.6e18"
        )
    return space
