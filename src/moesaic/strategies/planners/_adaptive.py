"""The adaptive planner: where the campaign goes depends on what it has measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import ceil

import numpy as np
from numpy.typing import NDArray

from moesaic.seeds import generator
from moesaic.strategies.planners._base import Candidate, Planner, Told
from moesaic.strategies.planners._effects import Effects, EffectsModel
from moesaic.strategies.planners._stratified import StratifiedPlanner

START = 8
EVERY = 3
CLIMBS = 4


class AdaptivePlanner(Planner):
    """Thompson sampling on family effects, with a third of the candidates kept stratified.

    The first max(8, 2n/K) candidates are the stratified plan's: every family is tried twice.
    From then on the candidates number 0, 3, 6, ... are the next of the stratified plan that
    were not planned, so that coverage never stops growing: after c candidates it is at least
    that of c/3 stratified ones. The others are each the best mixture under one draw of the
    posterior of an additive model with small pair terms (Thompson 1933). A trial that failed
    is worth the lowest accuracy told, and lowers the chance of every family that was in it.

    Told nothing, or fewer than three accuracies, it is the stratified planner.
    """

    name = "adaptive"
    learns = True

    def __init__(self, pool: Sequence[str], experts: int, seed: int = 0) -> None:
        """See `Planner`."""
        super().__init__(pool, experts, seed)
        self._stratified = StratifiedPlanner(pool, experts, seed)
        self._start = max(START, ceil(2 * len(self.pool) / experts))

    def candidates(self) -> Iterator[Candidate]:
        """Yield all candidates as the stratified planner does."""
        return self._stratified.candidates()

    def next(self, count: int, told: Sequence[Told]) -> list[Candidate]:
        """Return the `count` candidates that follow from what is told; see `Planner.next`."""
        seen = self.check_told(told)
        even = iter(super().next(count, told))
        slots = range(len(told), len(told) + count)
        guided = [slot for slot in slots if slot >= self._start and slot % EVERY]
        draws = dict(zip(guided, self._draws(len(guided), told), strict=False))
        found: list[Candidate] = []
        for slot in slots:
            candidate = None
            if slot in draws:
                rng = generator(self.seed, "planner/adaptive/climb", slot)
                candidate = self._best(draws[slot], seen, rng)
            if candidate is None:
                candidate = next((one for one in even if one not in seen), None)
            if candidate is None:
                break
            seen.add(candidate)
            found.append(candidate)
        return found

    def _draws(self, count: int, told: Sequence[Told]) -> list[Effects]:
        """Return draws of the effects, or none when too little is known."""
        accuracy = np.array([np.nan if one.accuracy is None else one.accuracy for one in told])
        if count == 0 or np.isfinite(accuracy).sum() < 3:
            return []
        place = {name: index for index, name in enumerate(self.pool)}
        held = np.zeros((len(told), len(self.pool)))
        for row, one in enumerate(told):
            held[row, [place[name] for name in one.families]] = 1.0
        rng = generator(self.seed, "planner/adaptive/draw", len(told))
        return EffectsModel(held, accuracy).draw(count, rng)

    def _best(
        self, effects: Effects, seen: set[Candidate], rng: np.random.Generator
    ) -> Candidate | None:
        """Return the most valuable candidate not seen that a few climbs by swaps came across."""
        best: tuple[float, Candidate] | None = None
        for _ in range(CLIMBS):
            here = np.sort(rng.permutation(len(self.pool))[: self.experts])
            height = float(effects.value(here[None])[0])
            while True:
                around = np.vstack([here[None], self._neighbours(here)])
                values = effects.value(around)
                order = np.argsort(-values, kind="stable")
                for row in order:
                    if best is not None and values[row] <= best[0]:
                        break
                    candidate = tuple(self.pool[member] for member in around[row])
                    if candidate not in seen:
                        best = float(values[row]), candidate
                        break
                if values[order[0]] <= height:
                    break
                here, height = around[order[0]], float(values[order[0]])
        return None if best is None else best[1]

    def _neighbours(self, members: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (K(n - K), K) mixtures that differ in one family, each sorted."""
        others = np.setdiff1d(np.arange(len(self.pool)), members)
        kept = np.array(list(combinations(members.tolist(), self.experts - 1)), dtype=np.int64)
        kept = np.repeat(kept, len(others), axis=0)
        joined = np.tile(others, len(members))[:, None]
        return np.sort(np.hstack([kept, joined]), axis=1)
