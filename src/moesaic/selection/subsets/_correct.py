"""The scores of the best, freed of the luck for which they were chosen; it chooses nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from moesaic.selection.subsets._board import Board, Winner
from moesaic.selection.subsets._halves import opposite
from moesaic.selection.subsets._result import Ranked

HeldOut = Callable[[int, Winner], float]
PerSample = Callable[[NDArray[np.int64]], NDArray[np.floating]]


def correct(
    board: Board, per_sample: PerSample, sign: float, held_out: HeldOut | None = None
) -> tuple[Ranked, ...]:
    """Return the best subsets of a board with corrected scores and intervals, best first.

    The first one's score is what the choice of a half was worth on the other half, both roles and
    all halvings averaged: unbiased for a choice from half as many samples, so rather too low. The
    others follow it by their distances on all samples times the share of such distances that the
    other half confirms. Intervals are Student's over samples.

    Args:
        board: holds the best, the winners of the halves, and how well halves agree.
        per_sample: the values (N,) of a subset on every sample, the lower the better.
        sign: 1 where a score is a value, -1 where it is its negative.
        held_out: what the winner of a view is worth on the opposite one; its value there when
            not given.
    """
    members, raw = board.best()
    if not len(raw):
        return ()
    first = _held_out_mean(board.winners(), held_out)
    slope = board.agreement()
    found = []
    for row, value in zip(members, raw.tolist(), strict=True):
        score = first + slope * (value - float(raw[0]))
        samples = np.asarray(per_sample(row), dtype=np.float64)
        error = float(samples.std(ddof=1)) / np.sqrt(len(samples))
        reach = float(student.ppf(0.975, len(samples) - 1)) * error
        ends = sorted((float(sign * (score - reach)), float(sign * (score + reach))))
        names = tuple(int(member) for member in row)
        found.append(Ranked(names, sign * score, ends[0], ends[1], sign * value))
    return tuple(found)


def _held_out_mean(winners: Mapping[int, Winner], held_out: HeldOut | None) -> float:
    values = [
        float(winner.values[opposite(view)]) if held_out is None else held_out(view, winner)
        for view, winner in winners.items()
    ]
    return float(np.mean(values))
