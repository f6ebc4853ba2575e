"""Every subset in lexicographic order, in blocks that share all but two members; no judgement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from moesaic.selection.subsets._board import Board
from moesaic.selection.subsets._limits import Costs
from moesaic.selection.subsets._tables import Singles, Table

_MOST_BYTES = 1 << 28  # of the table of pairs


def walk(
    table: Table,
    board: Board,
    costs: Costs,
    free: Sequence[int],
    forced: Sequence[int],
    experts: int,
) -> None:
    """Give the board every subset of K that holds `forced` and obeys the limits.

    The columns of all pairs are made once. Pairs that begin behind a given member are the tail
    of their list, so a subset costs one operation over the columns, whatever K is.

    Args:
        table: of the score.
        board: takes the subsets.
        costs: the limits.
        free: members that may be chosen, ascending.
        forced: members that are in every subset.
        experts: K.
    """
    missing = experts - len(forced)
    if missing == 0:
        _give(table, board, costs, np.sort(np.array([forced])), None, None)
        return
    tail = min(2, missing)
    if tail == 2 and comb(len(free), 2) * table.width * 4 > _MOST_BYTES:
        tail = 1
    ends, rows = _tails(table, free, tail)
    # the first tail whose first member is behind the one at each position
    begins = np.searchsorted(ends[:, 0], np.arange(len(free)), side="right")
    base = table.of(forced)
    names = np.asarray(free, dtype=np.int64)
    partial: list[tuple[int, list[Singles] | None]] = [(-1, base)]
    for head in combinations(range(len(free)), missing - tail):
        same = 0
        while same < len(partial) - 1 and partial[same + 1][0] == head[same]:
            same += 1
        del partial[same + 1 :]
        start = int(begins[head[-1]]) if head else 0
        if start == len(ends):
            continue
        for position in head[same:]:
            above, own = partial[-1][1], table.of([free[position]])
            if above is not None and own is not None:
                own = [table.join(a, b) for a, b in zip(above, own, strict=True)]
            partial.append((position, own))
        shared = np.array([*forced, *names[list(head)]], dtype=np.int64)
        members = np.empty((len(ends) - start, experts), dtype=np.int64)
        members[:, : len(shared)] = shared
        members[:, len(shared) :] = names[ends[start:]]
        if forced:
            members.sort(axis=1)
        _give(table, board, costs, members, partial[-1][1], rows, start)


def _tails(table: Table, free: Sequence[int], size: int) -> tuple[NDArray[np.int64], list[Singles]]:
    """Return the positions (T, size) of all tails and their columns (T, n_v)."""
    if size == 1:
        ends = np.arange(len(free), dtype=np.int64)[:, None]
        return ends, [part[list(free)] for part in table.parts]
    first, second = np.triu_indices(len(free), 1)
    names = np.asarray(free, dtype=np.int64)
    rows = [table.join(part[names[first]], part[names[second]]) for part in table.parts]
    return np.stack([first, second], axis=1), rows


def _give(
    table: Table,
    board: Board,
    costs: Costs,
    members: NDArray[np.int64],
    base: list[Singles] | None,
    rows: list[Singles] | None,
    start: int = 0,
) -> None:
    """Score the subsets that obey the limits: `base` joined by the rows from `start` on."""
    only = None
    if costs.limited:
        allowed = costs.excess(members) == 0.0
        if not allowed.all():
            only, members = np.flatnonzero(allowed), members[allowed]
    if not len(members):
        return
    if rows is None:
        whole = table.of(members[0].tolist()) or []
        board.add(members, table.sums(None, [part[None] for part in whole]))
        return
    board.add(members, table.sums(base, [part[start:] for part in rows], only))
