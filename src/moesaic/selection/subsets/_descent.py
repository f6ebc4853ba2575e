"""Greedy choice and best swaps where there are too many subsets to score; it proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moesaic.selection.subsets._board import Board
from moesaic.selection.subsets._limits import Costs
from moesaic.selection.subsets._tables import Doubles, Table

_PENALTY = 1e3  # of breaking a limit by its own size, in ranges of the values


def descend(
    table: Table,
    board: Board,
    costs: Costs,
    free: Sequence[int],
    forced: Sequence[int],
    experts: int,
    view: int,
    seen: set[tuple[int, ...]],
) -> None:
    """Choose greedily, then make the best swap until none improves.

    The board is given every subset of K on the way that obeys the limits.

    Args:
        table: of the score.
        board: takes the subsets.
        costs: the limits.
        free: members that may be chosen, ascending.
        forced: members that are in every subset.
        experts: K.
        view: the half, or all samples, by which it chooses.
        seen: what the board was given already; grows.
    """
    chosen = list(forced)
    while len(chosen) < experts:
        offered, values, _ = _offers(table, costs, free, chosen, view)
        chosen.append(int(offered[values.argmin()]))
    current = np.inf
    while True:
        best, swapped = current, None
        for leaving in sorted(set(chosen) - set(forced)):
            rest = sorted(set(chosen) - {leaving})
            offered, values, sums = _offers(table, costs, free, rest, view)
            entering = int(values.argmin())
            if values[entering] < best:
                best, swapped = float(values[entering]), [*rest, int(offered[entering])]
            _tell(board, costs, rest, offered, sums, seen)
        if swapped is None:
            return
        current, chosen = best, swapped


def _offers(
    table: Table, costs: Costs, free: Sequence[int], rest: Sequence[int], view: int
) -> tuple[NDArray[np.int64], Doubles, Doubles]:
    """Return who may join `rest`, its value with each of them, and the sums."""
    offered = np.setdiff1d(np.asarray(free, dtype=np.int64), rest)
    sums = table.sums(table.of(rest), table.parts, offered)
    values = table.values(sums)[:, view]
    if costs.limited:
        excess = costs.excess(_joined(rest, offered))
        values = values + _PENALTY * (1.0 + float(np.abs(values).max())) * excess
    return offered, values, sums


def _joined(rest: Sequence[int], offered: NDArray[np.int64]) -> NDArray[np.int64]:
    members = np.empty((len(offered), len(rest) + 1), dtype=np.int64)
    members[:, :-1] = np.asarray(rest, dtype=np.int64)
    members[:, -1] = offered
    members.sort(axis=1)
    return members


def _tell(
    board: Board,
    costs: Costs,
    rest: Sequence[int],
    offered: NDArray[np.int64],
    sums: Doubles,
    seen: set[tuple[int, ...]],
) -> None:
    """Give the board the neighbours it has not seen."""
    members = _joined(rest, offered)
    allowed = costs.excess(members) == 0.0
    fresh = np.array([tuple(row) not in seen for row in members.tolist()])
    seen.update(tuple(row) for row in members.tolist())
    keep = allowed & fresh
    if keep.any():
        board.add(members[keep], sums[keep])
