"""The loop of every search: ask a strategy, have trials run, tell it; how they run is handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from moesaic.bank import Observation, Trial
from moesaic.strategies import Proposal, Strategy


@dataclass(frozen=True)
class Portions:
    """How many proposals are asked for at once.

    Attributes:
        first: before anything was measured.
        rest: from then on.
    """

    first: int
    rest: int

    @classmethod
    def of(cls, trials: int) -> Self:
        """Return those of a search of so many trials: half of them, then a sixth each."""
        return cls(max(2, trials // 2), max(4, trials // 6))


def ask_and_tell(
    strategy: Strategy,
    trials: int,
    portions: Portions,
    plan: Callable[[Proposal, int], Trial],
    perform: Callable[[list[Trial], list[Proposal], int], list[Observation | None]],
    stop: Callable[[int], bool] = lambda planned: False,
    judge: Callable[[list[Observation]], list[Observation]] = lambda measured: measured,
) -> list[Observation]:
    """Ask, run and tell until the trials are used up or the strategy has no more.

    The strategy is asked again when all of a portion have ended, so that what it knows then
    depends neither on the number nor on the speed of the workers.

    Args:
        strategy: proposes.
        trials: how many to plan.
        portions: how many to ask for at once.
        plan: makes the trial of a proposal from its index.
        perform: runs trials, told their proposals and how many were planned before; one
            observation each, in order, None for a trial that failed.
        stop: asked after every portion, with the number planned so far, whether to end.
        judge: turns what was measured into what the strategy is told of it.

    Returns:
        What was measured, in the order of the proposals.
    """
    observations: list[Observation] = []
    planned = 0
    while planned < trials:
        size = min(portions.first if planned == 0 else portions.rest, trials - planned)
        proposals = strategy.ask(size)
        if not proposals:
            break
        planning = [plan(proposal, planned + place) for place, proposal in enumerate(proposals)]
        found = perform(planning, proposals, planned)
        done = [observation for observation in found if observation is not None]
        strategy.tell(judge(done))
        strategy.give_up(
            [
                proposal.architecture
                for proposal, observation in zip(proposals, found, strict=True)
                if observation is None
            ]
        )
        observations += done
        planned += len(proposals)
        if stop(planned):
            break
    return observations
