"""Greedy choice then best swaps, vectorised over all experts; it proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moesaic.selection._problem import SLACK, Floats, Plan, Problem

RESTARTS = 8


def finite_cost(cost: Floats) -> tuple[Floats, float]:
    """Replace "may not serve" by a price so high that any allowed choice is cheaper.

    Returns:
        the costs (E, M) and that price: an objective of at least half of it is not allowed.
    """
    known = cost[np.isfinite(cost)]
    spread = float(known.max() - known.min()) if known.size else 0.0
    high = float(np.abs(known).max()) if known.size else 0.0
    price = 4.0 * (cost.shape[1] + 1) * (spread + high + 1.0)
    return np.where(np.isfinite(cost), cost, price), price


def plan_of(problem: Problem, positions: Sequence[int]) -> Plan:
    """Serve every cluster by the cheapest of `positions` (ties: the earliest)."""
    chosen = tuple(sorted(positions))
    cost = problem.cost[list(chosen)]
    best = cost.argmin(axis=0)
    assignment = np.asarray(chosen, dtype=np.int64)[best]
    return Plan(chosen, assignment, float(cost.min(axis=0).sum()))


def _excess(problem: Problem, rest: list[int], takes: NDArray[np.bool_], owner: Floats) -> Floats:
    """Return by how much each candidate (E,), joined to `rest`, breaks the limits (relative)."""
    limits, share = problem.limits, problem.share
    left = (~takes) * share
    excess = np.zeros(takes.shape[0])
    if limits.max_parameters is not None:
        total = problem.parameters + problem.parameters[rest].sum()
        excess += np.maximum(total / max(limits.max_parameters, 1.0) - 1.0, 0.0)
    if limits.max_macs is not None:
        expected = (takes @ share) * problem.macs
        if rest:
            expected = expected + left @ problem.macs[np.asarray(rest)[owner.astype(np.int64)]]
        excess += np.maximum(expected / max(limits.max_macs, 1.0) - 1.0, 0.0)
    if limits.min_share > 0.0:
        excess += np.maximum(limits.min_share - takes @ share, 0.0)
        for column in range(len(rest)):
            excess += np.maximum(limits.min_share - left[:, owner == column].sum(axis=1), 0.0)
    return excess


def _scores(problem: Problem, cost: Floats, price: float, rest: list[int]) -> Floats:
    """Return the objective (E,) of `rest` joined by each expert, limits priced in."""
    if rest:
        kept = cost[rest]
        floor, owner = kept.min(axis=0), kept.argmin(axis=0).astype(np.float64)
    else:
        floor, owner = np.full(cost.shape[1], np.inf), np.zeros(cost.shape[1])
    scores = np.minimum(cost, floor).sum(axis=1)
    if problem.limited:
        scores = scores + price * _excess(problem, rest, cost < floor, owner)
    scores[rest] = np.inf
    return np.asarray(scores)


def _descend(problem: Problem, cost: Floats, price: float, start: list[int]) -> list[int]:
    """Fill `start` greedily to K, then make the best swap until none improves."""
    chosen = list(start)
    while len(chosen) < problem.experts:
        chosen.append(int(_scores(problem, cost, price, chosen).argmin()))
    free = [position for position in chosen if position not in problem.forced]
    current = np.inf
    while free:
        best, swap = current, None
        for leaving in free:
            scores = _scores(problem, cost, price, [c for c in chosen if c != leaving])
            entering = int(scores.argmin())
            if scores[entering] < best - 1e-12 * (1.0 + abs(float(scores[entering]))):
                best, swap = float(scores[entering]), (leaving, entering)
        if swap is None:
            break
        current = best
        chosen[chosen.index(swap[0])] = swap[1]
        free[free.index(swap[0])] = swap[1]
    return chosen


def by_swaps(problem: Problem) -> Plan | None:
    """Return the best of a few descents, or None when none obeys the limits.

    Starts: greedy from nothing, and from the best experts of clusters in a few fixed orders.
    Under limits the routing is each cluster's cheapest; the exact solver may find a better one.
    """
    cost, price = finite_cost(problem.cost)
    forced = list(problem.forced)
    starts = [forced]
    best_of = cost.argmin(axis=0)
    order = np.argsort(-problem.share, kind="stable")
    draws = np.random.default_rng(0)
    for _ in range(RESTARTS):
        own = list(dict.fromkeys([*forced, *best_of[order].tolist()]))
        starts.append(own[: problem.experts])
        order = draws.permutation(len(order))
    best: tuple[float, list[int]] | None = None
    for start in starts:
        chosen = _descend(problem, cost, price, start)
        score = float(_scores(problem, cost, price, chosen[:-1])[chosen[-1]])
        if best is None or score < best[0] - 1e-12 * (1.0 + abs(score)):
            best = (score, chosen)
    if best is None or not _obeys(problem, best[1]):
        return None
    return plan_of(problem, best[1])


def _obeys(problem: Problem, chosen: list[int]) -> bool:
    plan = plan_of(problem, chosen)
    if not np.isfinite(plan.objective):
        return False
    limits, slack = problem.limits, 1.0 + SLACK
    if limits.max_parameters is not None:
        total = float(problem.parameters[chosen].sum())
        if total > limits.max_parameters * slack:
            return False
    if limits.max_macs is not None:
        expected = float(problem.share @ problem.macs[plan.assignment])
        if expected > limits.max_macs * slack:
            return False
    used = [float(problem.share[plan.assignment == p].sum()) for p in plan.positions]
    return limits.min_share <= 0.0 or min(used) >= limits.min_share - SLACK


def earliest_equal(problem: Problem, plan: Plan) -> Plan:
    """Swap in earlier experts that leave the objective as it is, so that ties have one answer."""
    cost, price = finite_cost(problem.cost)
    chosen = list(plan.positions)
    limit = plan.objective + 1e-12 * (1.0 + abs(plan.objective))
    changed = True
    while changed:
        changed = False
        for leaving in sorted(set(chosen) - set(problem.forced), reverse=True):
            rest = [position for position in chosen if position != leaving]
            equal = np.flatnonzero(_scores(problem, cost, price, rest)[:leaving] <= limit)
            if equal.size:
                chosen = [*rest, int(equal[0])]
                changed = True
                break
    return plan_of(problem, chosen)
