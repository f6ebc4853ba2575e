"""The strategies that need no surrogate: random and regularised evolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moesaic.bank import Observation
from moesaic.seeds import generator
from moesaic.selection import select
from moesaic.spaces import Architecture, SearchSpace
from moesaic.strategies._base import Proposal, Strategy
from moesaic.strategies._memory import BankView, Memory
from moesaic.strategies._sampling import unseen


class RandomStrategy(Strategy):
    """Draws architectures as the space samples them; what it is told only rules them out."""

    name = "random"

    def __init__(self, space: SearchSpace, experts: int, weight: ArrayLike, seed: int = 0) -> None:
        """See `Strategy`."""
        super().__init__(space, experts, weight, seed)
        self._memory = Memory()

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n new architectures; the i-th ever is drawn from (seed, i)."""
        proposals: list[Proposal] = []
        while len(proposals) < n:
            rng = generator(self.seed, "strategy/random", len(self._memory.proposed))
            architecture = unseen(self.space, self._memory, rng)
            if architecture is None:
                break
            self._memory.propose(architecture)
            proposals.append(Proposal(architecture, None, None, "random draw"))
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:
        """Remember what need not be proposed."""
        self._memory.tell(observations, len(self.weight))


class EvolutionStrategy(Strategy):
    """Regularised evolution (Real et al. 2019) on the selection objective.

    The fittest of a few drawn from the youngest generation has a neighbour trained. An
    expert is as fit as the best K experts that contain it (one swap away from the best K),
    so that a specialist of a small cluster can be a parent.
    """

    name = "evolution"

    def __init__(
        self,
        space: SearchSpace,
        experts: int,
        weight: ArrayLike,
        seed: int = 0,
        *,
        population: int = 16,
        tournament: int = 5,
    ) -> None:
        """See `Strategy`; the rest are options.

        population: how many of the youngest may be parents; so many are drawn first;
        tournament: how many compete to be one.
        """
        super().__init__(space, experts, weight, seed)
        self._population, self._tournament = population, tournament
        self._memory = Memory()

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n new architectures, each a neighbour of a fit one."""
        bank = self._memory.bank(self.weight)
        grown = len(bank.architectures) >= self._population and bank.weight.sum() > 0
        ranked = self._ranked(bank) if grown else []
        proposals: list[Proposal] = []
        while len(proposals) < n:
            rng = generator(self.seed, "strategy/evolution", len(self._memory.proposed))
            found = self._child(ranked, rng) if grown else None
            if found is None:
                architecture = unseen(self.space, self._memory, rng)
                if architecture is None:
                    break
                found = architecture, "random draw"
            self._memory.propose(found[0])
            proposals.append(Proposal(found[0], None, None, found[1]))
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:
        """Let the observations join the population."""
        self._memory.tell(observations, len(self.weight))

    def _ranked(self, bank: BankView) -> list[Architecture]:
        """Return the youngest generation, fittest first; told by others means old."""
        fitness = self._fitness(bank)
        age = {key: place for place, key in enumerate(self._memory.proposed)}
        rows = sorted(
            range(len(bank.architectures)),
            key=lambda row: (age.get(bank.architectures[row].key, -1), row),
        )[-self._population :]
        return [bank.architectures[row] for row in sorted(rows, key=lambda row: fitness[row])]

    def _fitness(self, bank: BankView) -> list[tuple[float, float]]:
        """Return (objective of the best K with it, own mean loss) of every expert."""
        used = bank.weight > 0
        share = bank.weight[used] / bank.weight.sum()
        cost = bank.loss[:, used] * share
        worst = float(np.nanmax(cost)) + 1.0
        cost = np.where(np.isfinite(cost), cost, worst)
        experts = min(self.experts, int(used.sum()), len(cost))
        chosen = list(select(cost / share, share, experts).chosen)
        objective = _least(cost[chosen])
        with_it = np.full(len(cost), np.inf)
        for leaving in chosen:
            rest = cost[[row for row in chosen if row != leaving]]
            floor = rest.min(axis=0, initial=np.inf)
            with_it = np.minimum(with_it, np.minimum(cost, floor).sum(axis=1))
        with_it[chosen] = objective
        return list(zip(with_it.tolist(), cost.sum(axis=1).tolist(), strict=True))

    def _child(
        self, ranked: list[Architecture], rng: np.random.Generator
    ) -> tuple[Architecture, str] | None:
        """Return a new neighbour of the fittest of a few, or None when it has none."""
        drawn = rng.choice(len(ranked), size=min(self._tournament, len(ranked)), replace=False)
        parent = ranked[int(drawn.min())]
        for child in self.space.neighbours(parent, rng):
            if not self._memory.seen(child):
                return child, f"neighbour of {parent.key}"
        return None


def _least(cost: NDArray[np.float64]) -> float:
    return float(cost.min(axis=0).sum())
