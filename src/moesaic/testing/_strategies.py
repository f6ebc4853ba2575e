"""The contract every strategy must keep, as a pytest base class; it tests nothing itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.spaces import SearchSpace
from moesaic.strategies import Proposal, Strategy
from moesaic.testing._toy_space import ToySpace


def observe(space: ToySpace, proposal: Proposal, index: int) -> Observation:
    """Return what training a proposal in the toy space would measure, a little noise included."""
    trial = Trial("expert", "toy", index, index, proposal.architecture, proposal.subset)
    noise = np.random.default_rng(index).standard_normal(space.clusters)
    loss: NDArray[np.float64] = space.loss(proposal.architecture) * np.exp(0.01 * noise)
    return Observation(trial, loss, np.exp(-loss), macs=1000, parameters=100, seconds=1.0)


class StrategyContract(ABC):
    """Subclass as `class TestMyStrategy(StrategyContract)`, give `make_strategy`, run pytest.

    Attributes:
        experts: K the strategy is made for.
        rounds: how often it is asked and told.
        batch: how many proposals it is asked for at once.
    """

    experts: int = 2
    rounds: int = 6
    batch: int = 5

    @abstractmethod
    def make_strategy(
        self, space: SearchSpace, experts: int, weight: NDArray[np.float64], seed: int
    ) -> Strategy:
        """Return the strategy under test, a new object at every call."""

    def _made(self, space: ToySpace, seed: int = 0) -> Strategy:
        weight = np.arange(1.0, space.clusters + 1.0)
        return self.make_strategy(space, self.experts, weight, seed)

    def _play(self, space: ToySpace, seed: int = 0, order: int | None = None) -> list[Proposal]:
        """Ask and tell; with `order` the observations of a round are told shuffled, one by one."""
        strategy = self._made(space, seed)
        history: list[Proposal] = []
        for turn in range(self.rounds):
            asked = strategy.ask(self.batch)
            told = [observe(space, one, len(history) + place) for place, one in enumerate(asked)]
            history.extend(asked)
            if order is None:
                strategy.tell(told)
            else:
                for place in np.random.default_rng((order, turn)).permutation(len(told)):
                    strategy.tell([told[place]])
        return history

    def test_it_has_a_name_and_reasons(self) -> None:
        """Every proposal says why it was made, in one line."""
        space = ToySpace()
        assert self._made(space).name
        for proposal in self._play(space):
            assert proposal.reason
            assert "\n" not in proposal.reason

    def test_it_gives_what_it_is_asked_for(self) -> None:
        """Exactly n proposals while the space has them; none for n = 0."""
        strategy = self._made(ToySpace())
        assert strategy.ask(0) == []
        assert len(strategy.ask(7)) == 7

    def test_no_architecture_comes_twice(self) -> None:
        """Neither in one batch nor later, told or not."""
        keys = [proposal.architecture.key for proposal in self._play(ToySpace())]
        assert len(keys) == self.rounds * self.batch
        assert len(set(keys)) == len(keys)

    def test_what_was_told_is_not_proposed(self) -> None:
        """Also when others trained it."""
        space = ToySpace(length=2)
        rng = np.random.default_rng(3)
        told = [Proposal(space.sample(rng), None, None, "theirs") for _ in range(6)]
        strategy = self._made(space)
        strategy.tell([observe(space, one, place) for place, one in enumerate(told)])
        keys = {one.architecture.key for one in strategy.ask(5)}
        assert keys.isdisjoint(one.architecture.key for one in told)

    def test_a_small_space_runs_out(self) -> None:
        """Every architecture once, then fewer than asked for, then none."""
        space = ToySpace(length=2)
        strategy = self._made(space)
        found: list[Proposal] = []
        for _ in range(5):
            asked = strategy.ask(5)
            strategy.tell([observe(space, one, len(found) + i) for i, one in enumerate(asked)])
            found.extend(asked)
        assert len({one.architecture.key for one in found}) == len(found) == space.size
        assert strategy.ask(3) == []

    def test_replaying_the_same_tells_gives_the_same_proposals(self) -> None:
        """A resumed run goes on exactly as the uninterrupted one."""
        assert self._play(ToySpace()) == self._play(ToySpace())

    def test_the_order_of_telling_makes_no_difference(self) -> None:
        """Workers finish in any order."""
        plain = self._play(ToySpace())
        assert self._play(ToySpace(), order=1) == plain
        assert self._play(ToySpace(), order=2) == plain

    def test_telling_twice_changes_nothing(self) -> None:
        """The same trial is one observation."""
        space = ToySpace()
        once, twice = self._made(space), self._made(space)
        told = [observe(space, one, place) for place, one in enumerate(once.ask(20))]
        twice.ask(20)
        once.tell(told)
        twice.tell(told)
        twice.tell(told[:7])
        assert once.ask(5) == twice.ask(5)

    def test_what_was_given_up_is_not_proposed_again(self) -> None:
        """A failed trial is a result; a strategy that still waits for some goes on."""
        space = ToySpace(length=3)
        strategy = self._made(space)
        asked = strategy.ask(30)
        strategy.tell([observe(space, one, place) for place, one in enumerate(asked[:24])])
        strategy.give_up([one.architecture for one in asked[24:27]])
        later = {one.architecture.key for one in strategy.ask(20)}
        assert len(later) == 20
        assert later.isdisjoint(one.architecture.key for one in asked)

    def test_another_seed_proposes_others(self) -> None:
        """The seed is read."""
        first = [one.architecture.key for one in self._play(ToySpace(), seed=0)]
        second = [one.architecture.key for one in self._play(ToySpace(), seed=1)]
        assert first != second

    def test_it_proposes_what_the_space_builds(self) -> None:
        """Architectures of its space; subsets, when given, name at least one cluster."""
        space = ToySpace()
        for proposal in self._play(space):
            assert proposal.architecture.space == space.name
            if proposal.subset is not None:
                assert len(proposal.subset) == space.clusters
                assert any(proposal.subset)
