"""The best subsets so far, of all samples and of every half, and how well halves agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.selection.subsets._halves import opposite
from moesaic.selection.subsets._tables import Doubles, Table

_FLUSH = 1 << 14


@dataclass(frozen=True)
class Winner:
    """The best subset of one half: its members and its values (D,) in all views."""

    members: tuple[int, ...]
    values: Doubles


class Board:
    """Takes subsets with their sums and keeps what is needed of them, in bounded memory.

    Of equal subsets the one that came first is the better.

    Args:
        table: makes values of sums.
        top: how many of the best are kept.
    """

    def __init__(self, table: Table, top: int) -> None:
        self._table = table
        self._top = top
        self._waiting: list[tuple[NDArray[np.int64], Doubles]] = []
        self._rows = 0
        self._members: NDArray[np.int64] | None = None
        self._scores: Doubles = np.zeros(0)
        self._winners: dict[int, Winner] = {}
        views = table.mix.shape[1]
        self._centre: Doubles | None = None
        self._square, self._cross = np.zeros(views), np.zeros(views)
        self._total = np.zeros(views)
        self._other = np.array([0, *(opposite(view) for view in range(1, views))])
        self.scored = 0

    def add(self, members: NDArray[np.int64], sums: Doubles) -> None:
        """Take subsets (S, K) and their sums (S, V)."""
        self._waiting.append((members, sums))
        self._rows += len(members)
        if self._rows >= _FLUSH:
            self._flush()

    def best(self) -> tuple[NDArray[np.int64], Doubles]:
        """Return the best subsets (T, K) by all samples, best first, and their scores (T,)."""
        self._flush()
        if self._members is None:
            return np.zeros((0, 0), dtype=np.int64), self._scores
        return self._members, self._scores

    def winners(self) -> dict[int, Winner]:
        """Return the best subset of every half, by its view."""
        self._flush()
        return self._winners

    def agreement(self) -> float:
        """Return the slope, 0 to 1, of true on measured differences between subsets.

        From the covariance of halves over all subsets; all samples agree better with the truth
        than a half does with another (Spearman and Brown's formula for a test of twice the length).
        """
        self._flush()
        if self.scored < 2:
            return 1.0
        mean = self._total[1:] / self.scored
        spread = self._square[1:] - self.scored * mean**2
        cross = self._cross[1:] - self.scored * mean * mean[self._other[1:] - 1]
        if spread.sum() <= 0.0:
            return 0.0
        half = min(max(float(cross.sum() / spread.sum()), 0.0), 1.0)
        return 2.0 * half / (1.0 + half)

    def _flush(self) -> None:
        if not self._rows:
            return
        members = np.concatenate([rows for rows, _ in self._waiting])
        values = self._table.values(np.concatenate([sums for _, sums in self._waiting]))
        self._waiting, self._rows = [], 0
        self.scored += len(members)
        if self._centre is None:
            self._centre = values.mean(axis=0)  # keeps the sums of squares accurate
        apart = values - self._centre
        self._total += apart.sum(axis=0)
        self._square += (apart**2).sum(axis=0)
        self._cross += (apart * apart[:, self._other]).sum(axis=0)
        for view, row in enumerate(values.argmin(axis=0).tolist()):
            known = self._winners.get(view)
            if view and (known is None or values[row, view] < known.values[view]):
                self._winners[view] = Winner(tuple(members[row].tolist()), values[row].copy())
        self._keep(members, values[:, 0])

    def _keep(self, members: NDArray[np.int64], scores: Doubles) -> None:
        if self._members is not None:
            if len(self._scores) == self._top:
                hopeful = scores < self._scores[-1]
                members, scores = members[hopeful], scores[hopeful]
            members = np.concatenate([self._members, members])
            scores = np.concatenate([self._scores, scores])
        order = np.argsort(scores, kind="stable")[: self._top]
        self._members, self._scores = members[order], scores[order]
