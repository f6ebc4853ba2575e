"""A table of cells as a game: choose six operations, pay once a cell; it knows no search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks._nasbench_table import Cells
from moesaic.execution import Table
from moesaic.spaces import get_space

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = 6
# To ask for a cell again costs nothing here; who only repeats itself is stopped.
PATIENCE = 10


@dataclass
class Game:
    """What every search is told: accuracies that guide; those that judge it never sees.

    Attributes:
        cells: the table.
        row_of: (5,) * 6, the row that answers for a choice of operations: its own, or where the
            table lacks it the one that differs on the fewest edges, the first of them.
        table: the same for our own search, which only proposes what the table holds.
    """

    cells: Cells
    row_of: np.ndarray = field(init=False)
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        """Encode the cells."""
        place = {name: index for index, name in enumerate(OPERATIONS)}
        codes = np.array(
            [
                [place[edge[2]] for edge in json.loads(one.text)["edges"]]
                for one in self.cells.architectures
            ]
        )
        shape = (len(OPERATIONS),) * EDGES
        choices = np.indices(shape).reshape(EDGES, -1).T
        nearest = np.full(len(choices), -1)
        nearest[np.ravel_multi_index(tuple(codes.T), shape)] = np.arange(len(codes))
        for missing in np.flatnonzero(nearest < 0):
            nearest[missing] = (codes != choices[missing]).sum(axis=1).argmin()
        self.row_of = nearest.reshape(shape)
        self.table = Table(
            get_space("nasbench201"),
            self.cells.architectures,
            loss=self.cells.loss,
            accuracy=self.cells.accuracy / 100.0,
        )

    @property
    def clusters(self) -> int:
        """M, the number of clusters."""
        return int(self.cells.accuracy.shape[1])


@dataclass
class Ledger:
    """What one search paid for.

    Attributes:
        game: what is played.
        trials: how many different cells may be paid for.
        rows: of the table, in the order of payment, each once.
    """

    game: Game
    trials: int
    rows: list[int] = field(default_factory=list)
    asked: int = 0

    @property
    def open(self) -> bool:
        """Whether there is something left to pay with, and patience."""
        return len(self.rows) < self.trials and self.asked < PATIENCE * self.trials

    def pay(self, choice: Sequence[int]) -> np.ndarray:
        """Return the accuracies (M,) that guide, in percent, of six operations by their places."""
        row = int(self.game.row_of[tuple(choice)])
        self.asked += 1
        if row not in self.rows:
            self.rows.append(row)
        return self.game.cells.accuracy[row]


def regrets(game: Game, rows: Sequence[int], after: Sequence[int]) -> dict[str, dict[str, float]]:
    """Return the regret of what was selected after so many trainings, in percentage points.

    Every cluster is served by the cell that guides best on it among those paid; where several do
    equally well, the judged accuracies of these are averaged, so that no order decides.

    Args:
        game: what was played.
        rows: what was paid, in order.
        after: numbers of trainings; those beyond the last payment are answered by the last.

    Returns:
        `judge` and `guide`, the sums over clusters of the best in the table less the selected.
    """
    guide, judge = game.cells.accuracy, game.cells.judge_accuracy
    found: dict[str, dict[str, float]] = {"judge": {}, "guide": {}}
    for count in after:
        paid = np.asarray(rows[:count])
        best = guide[paid].max(axis=0)
        tied = guide[paid] == best
        judged = (judge[paid] * tied).sum(axis=0) / tied.sum(axis=0)
        found["judge"][str(count)] = float((judge.max(axis=0) - judged).sum())
        found["guide"][str(count)] = float((guide.max(axis=0) - best).sum())
    return found


def floor(game: Game) -> float:
    """Return the regret of the cells that guide best in the whole table, in percentage points."""
    everything = range(len(game.cells.architectures))
    return regrets(game, everything, [len(everything)])["judge"][str(len(everything))]
