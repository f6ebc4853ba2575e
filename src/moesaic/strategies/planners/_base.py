"""What a planner is and what it is told; planners live in modules beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import comb

from moesaic.errors import InputError

Candidate = tuple[str, ...]
FEWEST, MOST = 2, 8


@dataclass(frozen=True)
class Told:
    """A candidate that was planned, and what came of it.

    Attributes:
        families: the K families, as they were planned.
        accuracy: validation accuracy of the mixture, 0 to 1, or None when its trial failed.
    """

    families: Candidate
    accuracy: float | None


class Planner(ABC):
    """Says which mixtures of K families out of a pool are trained, and in which order.

    Promises every planner must keep (`moesaic.testing.PlannerContract` checks them): a
    candidate is K different families of the pool, sorted by name; none comes twice; fewer
    candidates than asked for mean that all C(n, K) were planned; what is planned depends on
    the set of families, K, the seed and what is told, and on nothing else. So a campaign that
    was interrupted and tells again what it knew is given what it would have been given. The
    space is never held in memory, unless it is small or nearly used up. Not thread-safe.

    A third party adds one by subclassing and by an entry point in the group
    `moesaic.planners` whose target is called as `(pool, experts, seed)`.

    Attributes:
        learns: whether results change what comes next, so that a campaign asks in rounds.
        pool: (n,) the families, sorted by name.
        experts: K.
        seed: the campaign's seed; every draw derives from it.
        space: C(n, K), exact.
    """

    name: str
    learns: bool = False

    def __init__(self, pool: Sequence[str], experts: int, seed: int = 0) -> None:
        """Keep what every planner needs; the order of the pool makes no difference.

        Raises:
            InputError: K is not 2 to 8, the pool has fewer families than K, or one twice.
        """
        check_pool(pool, experts)
        self.pool: tuple[str, ...] = tuple(sorted(pool))
        self.experts = experts
        self.seed = seed
        self.space = comb(len(self.pool), experts)
        self._planned: list[Candidate] = []
        self._source: Iterator[Candidate] | None = None

    @abstractmethod
    def candidates(self) -> Iterator[Candidate]:
        """Yield all C(n, K) candidates in the order of this planner, each when it is asked for."""

    def plan(self, count: int) -> list[Candidate]:
        """Return the first `count` candidates, or all there are; told nothing.

        `plan(a)` is the beginning of `plan(b)` for a < b.

        Raises:
            InputError: `count` is negative.
        """
        if count < 0:
            raise InputError(f"a plan of {count} candidates: expected 0 or more")
        if self._source is None:
            self._source = self.candidates()
        self._planned.extend(islice(self._source, max(0, count - len(self._planned))))
        return self._planned[:count]

    def next(self, count: int, told: Sequence[Told]) -> list[Candidate]:
        """Return the `count` candidates that follow, or those that are left.

        This one goes on with the plan and leaves out what is told. A planner that learns from
        results overrides it.

        Args:
            count: how many; a campaign asks in rounds of one size.
            told: everything planned so far, in order.

        Raises:
            InputError: `count` is negative, or what is told is not of this pool and K.
        """
        seen = self.check_told(told)
        if count < 0:
            raise InputError(f"{count} candidates were asked for: expected 0 or more")
        fresh = (one for one in self.plan(len(seen) + count) if one not in seen)
        return list(islice(fresh, count))

    def check_told(self, told: Sequence[Told]) -> set[Candidate]:
        """Return the candidates that are told, sorted by name.

        Raises:
            InputError: one of them is not K different families of the pool.
        """
        known = set(self.pool)
        seen: set[Candidate] = set()
        for one in told:
            families = tuple(sorted(one.families))
            if len(set(families)) != self.experts or len(families) != self.experts:
                raise InputError(
                    f"told of {'+'.join(one.families)}: expected {self.experts} different families"
                )
            if not known.issuperset(families):
                unknown = ", ".join(sorted(set(families) - known))
                raise InputError(f"told of {unknown}: not in the pool of {len(known)} families")
            seen.add(families)
        return seen


def check_pool(pool: Sequence[str], experts: int) -> None:
    """Check the settings that every planner and every measurement of coverage share.

    Raises:
        InputError: K is not 2 to 8, the pool has fewer families than K, or one twice.
    """
    if not FEWEST <= experts <= MOST:
        raise InputError(f"{experts} experts in a mixture: expected {FEWEST} to {MOST}")
    twice = sorted({name for name in pool if list(pool).count(name) > 1})
    if twice:
        raise InputError(f"the pool names {', '.join(twice)} more than once: name each once")
    if len(pool) < experts:
        raise InputError(
            f"a pool of {len(pool)} families for mixtures of {experts}: "
            f"add families, or ask for fewer experts"
        )
