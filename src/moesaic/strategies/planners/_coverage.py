"""How much of a space of mixtures was covered, and how evenly: exact counts, no judgement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError
from moesaic.strategies.planners._base import check_pool


@dataclass(frozen=True, eq=False)
class Coverage:
    """What a set of candidates covers of all mixtures of K out of n families.

    Attributes:
        pool: (n,) the families, in the order of the arrays.
        experts: K.
        space: C(n, K), exact.
        candidates: different candidates; a repetition counts once.
        family_counts: (n,) candidates that contain each family.
        pair_counts: (n, n) candidates that contain both, symmetric, zero on the diagonal.
    """

    pool: tuple[str, ...]
    experts: int
    space: int
    candidates: int
    family_counts: NDArray[np.int64]
    pair_counts: NDArray[np.int64]

    @property
    def share(self) -> float:
        """Share of the space that was covered, 0 to 1."""
        return self.candidates / self.space

    @property
    def family_count_min(self) -> int:
        """Candidates of the least used family."""
        return int(self.family_counts.min())

    @property
    def family_count_max(self) -> int:
        """Candidates of the most used family."""
        return int(self.family_counts.max())

    @property
    def families_covered(self) -> int:
        """Families that are in at least one candidate."""
        return int((self.family_counts > 0).sum())

    @property
    def pair_count_min(self) -> int:
        """Candidates of the least used pair."""
        return int(self._pairs.min())

    @property
    def pair_count_max(self) -> int:
        """Candidates of the most used pair."""
        return int(self._pairs.max())

    @property
    def pairs_covered(self) -> float:
        """Share of the n(n - 1)/2 pairs that met in at least one candidate, 0 to 1."""
        return float((self._pairs > 0).mean())

    @property
    def _pairs(self) -> NDArray[np.int64]:
        return self.pair_counts[np.triu_indices(len(self.pool), 1)]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pair counts as plain numbers, family counts by name."""
        return {
            "space": self.space,
            "candidates": self.candidates,
            "share": self.share,
            "experts": self.experts,
            "families": len(self.pool),
            "families_covered": self.families_covered,
            "family_count_min": self.family_count_min,
            "family_count_max": self.family_count_max,
            "pairs_covered": self.pairs_covered,
            "pair_count_min": self.pair_count_min,
            "pair_count_max": self.pair_count_max,
            "family_counts": dict(zip(self.pool, self.family_counts.tolist(), strict=True)),
        }


def coverage(candidates: Iterable[Sequence[str]], pool: Sequence[str], experts: int) -> Coverage:
    """Measure what candidates cover; the order of candidates and of their families is not read.

    Args:
        candidates: each K different families of the pool.
        pool: (n,) the families; the arrays follow its order.
        experts: K.

    Raises:
        InputError: as `Planner`; a candidate is not K different families of the pool.
    """
    check_pool(pool, experts)
    place = {name: index for index, name in enumerate(pool)}
    distinct = set()
    for candidate in candidates:
        members = frozenset(candidate)
        if len(candidate) != experts or len(members) != experts or not members <= place.keys():
            raise InputError(
                f"candidate {'+'.join(candidate)}: expected {experts} different families "
                f"of the pool of {len(pool)}"
            )
        distinct.add(members)
    held = np.zeros((len(distinct), len(pool)), dtype=np.int64)
    for row, members in enumerate(distinct):
        held[row, [place[name] for name in members]] = 1
    together = held.T @ held
    counts = np.diagonal(together).copy()
    np.fill_diagonal(together, 0)
    space = comb(len(pool), experts)
    return Coverage(tuple(pool), experts, space, len(distinct), counts, together)
