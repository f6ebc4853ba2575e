"""Branch and bound on which experts are open, when nothing but the cost decides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from moesaic.selection._bounds import lagrangian
from moesaic.selection._problem import Floats

STEPS = 40
RECHECK = 4


@dataclass
class Branching:
    """Depth-first search over sets of K experts, pruned by the Lagrangian bound.

    One branch opens an expert, the next closes it; opening one raises the bound sharply, so
    few nodes are left (decision 'own branch and bound' in docs/selection.md).

    Attributes:
        cost: (E, M), finite.
        experts: K.
        upper: objective of the best choice known.
        nodes: how many bounds may still be computed; None: as many as it takes.
        best: positions that reach `upper`, when found here.
        complete: whether no node was skipped.
    """

    cost: Floats
    experts: int
    upper: float
    nodes: int | None
    best: tuple[int, ...] | None = None
    complete: bool = field(default=True, init=False)

    def run(self, forced: tuple[int, ...], start: Floats) -> None:
        """Search all sets that contain `forced`; `start` (M,) are first multipliers."""
        floor = np.full(self.cost.shape[1], np.inf)
        if forced:
            floor = self.cost[list(forced)].min(axis=0)
        others = np.setdiff1d(np.arange(len(self.cost)), forced)
        self._search(list(forced), floor, others, start)

    @property
    def _target(self) -> float:
        return self.upper - 1e-10 * (1.0 + abs(self.upper))

    def _found(self, positions: list[int], objective: float) -> None:
        if objective < self.upper:
            self.upper, self.best = objective, tuple(sorted(positions))

    def _spend(self) -> bool:
        """Take one node from the budget; False when there is none left."""
        if self.nodes is None:
            return True
        if self.nodes == 0:
            self.complete = False
            return False
        self.nodes -= 1
        return True

    def _search(
        self, opened: list[int], floor: Floats, others: NDArray[np.int64], start: Floats
    ) -> None:
        missing = self.experts - len(opened)
        if missing == 0:
            self._found(opened, float(floor.sum()))
            return
        if len(others) < missing:
            return
        if missing == 1:
            totals = np.minimum(self.cost[others], floor).sum(axis=1)
            last = int(totals.argmin())
            self._found([*opened, int(others[last])], float(totals[last]))
            return
        if not self._spend():
            return
        dual = lagrangian(self.cost[others], floor, missing, start, self._target, STEPS)
        if dual.bound >= self._target:
            return
        hopeful = dual.opening < self._target
        order = np.argsort(dual.worth[hopeful], kind="stable")
        others = others[hopeful][order]
        for turn in range(len(others) - missing + 1):
            position, rest = int(others[turn]), others[turn + 1 :]
            closer = np.minimum(floor, self.cost[position])
            self._search([*opened, position], closer, rest, dual.multiplier)
            if turn % RECHECK == RECHECK - 1 and len(rest) >= missing:
                if not self._spend():
                    return
                left = lagrangian(
                    self.cost[rest], floor, missing, dual.multiplier, self._target, STEPS
                )
                if left.bound >= self._target:
                    return
