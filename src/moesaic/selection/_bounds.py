"""What can be ruled out without solving: dominated experts and a Lagrangian lower bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.selection._problem import Floats, Problem

PRUNE_UP_TO = 4000


def undominated(problem: Problem) -> NDArray[np.int64]:
    """Return the positions that fewer than K others dominate, ascending.

    b dominates a when it serves every cluster at no higher cost and, where a limit asks,
    needs no more MACs and parameters (equal ones: the earlier dominates). If K experts
    dominate a, one of them is outside any choice with a, and can take its place and its
    clusters: some best choice does without a, under every limit.
    """
    values = [problem.cost]
    if problem.limits.max_macs is not None:
        values.append(problem.macs[:, None])
    if problem.limits.max_parameters is not None:
        values.append(problem.parameters[:, None])
    table = np.hstack(values)
    index = np.arange(len(table))
    if len(table) > PRUNE_UP_TO:
        return index
    keep = np.zeros(len(table), dtype=bool)
    for position in index:
        below = np.all(table <= table[position], axis=1)
        equal = below & np.all(table == table[position], axis=1)
        dominators = (below & ~equal) | (equal & (index < position))
        keep[position] = int(dominators.sum()) < problem.experts
    keep[list(problem.forced)] = True
    return np.flatnonzero(keep)


@dataclass(frozen=True)
class Dual:
    """A lower bound with the multipliers that gave it.

    Attributes:
        bound: no choice costs less.
        multiplier: (M,) what a cluster is taken to cost when nobody new serves it.
        worth: (E,) what opening each expert saves at those multipliers, never positive.
        opening: (E,) lower bound on any choice that opens this expert.
    """

    bound: float
    multiplier: Floats
    worth: Floats
    opening: Floats


def lagrangian(
    cost: Floats, floor: Floats, opens: int, start: Floats, upper: float, steps: int
) -> Dual:
    """Bound what `opens` more experts can reach beside those already open, by subgradient steps.

    For any t <= floor: sum_m min(floor_m, min_{e in T} c_em) >= sum_m t_m + sum_{e in T}
    sum_m min(0, c_em - t_m), whose least value over |T| = opens takes the `opens` most
    worthy experts. Limits are ignored, which only lowers the bound. (Relaxing "served once":
    Cornuejols, Fisher and Nemhauser 1977.)

    Args:
        cost: (E, M) of the experts that may be opened, E >= opens >= 1; may be infinite.
        floor: (M,) what the open experts charge, infinite where none is open.
        opens: how many more are opened.
        start: (M,) first multipliers, finite.
        upper: the objective of a known choice; the search stops once the bound reaches it.
        steps: most subgradient steps.
    """
    multiplier = np.minimum(start, floor)
    bound, best, best_worth = -np.inf, multiplier, np.zeros(len(cost))
    pace, stale = 1.0, 0
    for _ in range(steps):
        saved = np.minimum(cost - multiplier, 0.0)
        worth = saved.sum(axis=1)
        opened = np.argpartition(worth, opens - 1)[:opens]
        value = float(multiplier.sum() + worth[opened].sum())
        stale += 1
        if value > bound:
            bound, best, best_worth, stale = value, multiplier, worth, 0
        if bound >= upper:
            break
        slope = 1.0 - (saved[opened] < 0.0).sum(axis=0)
        slope = np.where((multiplier >= floor) & (slope > 0.0), 0.0, slope)
        norm = float(slope @ slope)
        if norm == 0.0:
            break
        if stale == 5:
            pace, stale, multiplier = pace / 2.0, 0, best
            if pace < 0.02:
                break
            continue
        multiplier = np.minimum(multiplier + pace * (upper - value) / norm * slope, floor)
    last = np.partition(best_worth, opens - 1)[opens - 1]
    return Dual(bound, best, best_worth, bound + np.maximum(best_worth - last, 0.0))
