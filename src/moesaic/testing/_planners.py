"""The contract every planner must keep, as a pytest base class; it tests nothing itself."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import combinations

import pytest

from moesaic.errors import InputError
from moesaic.strategies.planners import Candidate, Planner, Told


def train(candidate: Candidate) -> Told:
    """Return what training a candidate would measure: arbitrary, the same every time, some fail."""
    digest = zlib.crc32("+".join(candidate).encode())
    return Told(candidate, None if digest % 7 == 0 else 0.2 + 0.6 * (digest % 1000) / 1000)


class PlannerContract(ABC):
    """Subclass as `class TestMyPlanner(PlannerContract)`, give `make_planner`, run pytest.

    Attributes:
        families: n, the size of the pool.
        experts: K.
        size: candidates in a round.
        rounds: how many rounds are played.
    """

    families: int = 13
    experts: int = 4
    size: int = 10
    rounds: int = 4

    @abstractmethod
    def make_planner(self, pool: Sequence[str], experts: int, seed: int) -> Planner:
        """Return the planner under test, a new object at every call."""

    def _pool(self, families: int) -> list[str]:
        return [f"family{index:02}" for index in range(families)]

    def _made(self, seed: int = 0) -> Planner:
        return self.make_planner(self._pool(self.families), self.experts, seed)

    def _play(self, planner: Planner, told: Sequence[Told] = (), rounds: int = 4) -> list[Told]:
        history = list(told)
        for _ in range(rounds):
            history.extend(train(one) for one in planner.next(self.size, history))
        return history

    def test_a_candidate_is_k_families_of_the_pool_sorted(self) -> None:
        """Whatever it is told."""
        planner = self._made()
        assert planner.name
        played = [one.families for one in self._play(planner, rounds=self.rounds)]
        for candidate in [*planner.plan(50), *played]:
            assert isinstance(candidate, tuple)
            assert len(set(candidate)) == self.experts
            assert set(candidate) <= set(self._pool(self.families))
            assert list(candidate) == sorted(candidate)

    def test_it_gives_what_it_is_asked_for(self) -> None:
        """Exactly that many while there are as many; none for 0."""
        planner = self._made()
        assert planner.plan(0) == []
        assert planner.next(0, ()) == []
        assert len(planner.plan(70)) == 70
        assert len(self._play(planner, rounds=self.rounds)) == self.rounds * self.size

    def test_a_shorter_plan_begins_a_longer_one(self) -> None:
        """Asked in any order, of one object or of several."""
        whole = self._made().plan(90)
        planner = self._made()
        for count in (1, 7, 64, 3, 65, 90):
            assert planner.plan(count) == whole[:count]
            assert self._made().plan(count) == whole[:count]

    def test_a_small_space_is_planned_once_and_then_ends(self) -> None:
        """Every candidate once, by plan as by rounds; then fewer than asked for, then none."""
        pool = self._pool(7)
        every = set(combinations(pool, 3))
        plan = self.make_planner(pool, 3, 0).plan(1000)
        assert len(plan) == len(every) == 35
        assert set(plan) == every
        planner = self.make_planner(pool, 3, 0)
        history = self._play(planner, rounds=6)
        assert len(history) == 35
        assert {one.families for one in history} == every
        assert planner.next(5, history) == []

    def test_a_pool_of_k_families_has_one_candidate(self) -> None:
        """And no more."""
        pool = self._pool(5)
        planner = self.make_planner(pool, 5, 0)
        assert planner.plan(3) == [tuple(pool)]
        assert planner.next(3, [Told(tuple(pool), 0.5)]) == []

    def test_no_candidate_comes_twice(self) -> None:
        """Nor one that others trained."""
        others = [Told(one, 0.5) for one in list(combinations(self._pool(self.families), 4))[::9]]
        history = self._play(self._made(), others, rounds=self.rounds)
        assert len({one.families for one in history}) == len(history)

    def test_the_order_of_the_pool_makes_no_difference(self) -> None:
        """It is a set of families."""
        pool = self._pool(self.families)
        one = self.make_planner(pool, self.experts, 3)
        other = self.make_planner(pool[5:] + pool[:5][::-1], self.experts, 3)
        assert one.plan(40) == other.plan(40)
        assert self._play(one) == self._play(other)

    def test_a_resumed_campaign_is_the_uninterrupted_one(self) -> None:
        """A new object that is told again what was known goes on in the same way."""
        whole = self._play(self._made(), rounds=self.rounds)
        for done in range(self.rounds):
            begun = whole[: done * self.size]
            assert self._play(self._made(), begun, self.rounds - done) == whole

    def test_asking_changes_nothing(self) -> None:
        """The same question has the same answer, whatever was asked in between."""
        planner = self._made()
        history = self._play(planner, rounds=2)
        first = planner.next(self.size, history)
        planner.next(3, history[:5])
        planner.plan(200)
        assert planner.next(self.size, history) == first

    def test_when_all_fails_it_goes_on(self) -> None:
        """Failures are results."""
        planner = self._made()
        history: list[Told] = []
        for _ in range(self.rounds):
            history += [Told(one, None) for one in planner.next(self.size, history)]
        assert len({one.families for one in history}) == self.rounds * self.size

    def test_a_huge_space_is_not_listed(self) -> None:
        """C(60, 8) is 2.6 billion."""
        planner = self.make_planner(self._pool(60), 8, 0)
        assert planner.space == 2_558_620_845
        assert len(set(planner.plan(20))) == 20

    def test_misuse_is_refused(self) -> None:
        """In one line that says what was given."""
        pool = self._pool(6)
        for wrong, experts in ((pool, 1), (pool, 9), (pool[:3], 4), ([*pool, pool[0]], 3)):
            with pytest.raises(InputError):
                self.make_planner(wrong, experts, 0)
        planner = self.make_planner(pool, 3, 0)
        with pytest.raises(InputError):
            planner.plan(-1)
        with pytest.raises(InputError):
            planner.next(-1, ())
        with pytest.raises(InputError):
            planner.next(1, [Told(("family00", "family01", "stranger"), 0.5)])
        with pytest.raises(InputError):
            planner.next(1, [Told(("family00", "family01"), 0.5)])
