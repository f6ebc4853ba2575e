"""Choosing K experts and a routing from a loss matrix; it trains nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from moesaic.selection._bounds import Dual, lagrangian, undominated
from moesaic.selection._branch import Branching
from moesaic.selection._exact import solve
from moesaic.selection._infeasible import check_limits, why_infeasible
from moesaic.selection._problem import (
    Floats,
    Limits,
    Plan,
    Problem,
    Selection,
    check_matrix,
    prepare,
)
from moesaic.selection._swaps import by_swaps, earliest_equal, finite_cost, plan_of

WORK = 45_000_000
NODES = 3000
ROOT_STEPS = 600
PRICES = tuple(2.0**power for power in range(-7, 2))
TOLERANCE = 1e-9


def select(
    loss: ArrayLike,
    weight: ArrayLike,
    experts: int,
    limits: Limits | None = None,
    *,
    exact: bool | None = None,
    macs: ArrayLike | None = None,
    parameters: ArrayLike | None = None,
    price: float = 0.0,
) -> Selection:
    """Choose K experts and who serves which cluster: a weighted k-median problem.

    Minimises sum_m n_m * min_{k in S} (L[k, m] + price * macs[k]) over |S| = K. Ties go to
    the expert that is better alone, then to the lower row.

    Args:
        loss: (E, M), of any unit, nats say; not finite: that expert may not serve that cluster.
        weight: (M,) cluster sizes, normalised to shares; clusters of weight 0 cost nothing.
        experts: K, 1 .. min(E, M).
        limits: what the choice must obey.
        exact: prove it (True), greedy + swaps only (False), or prove it if a bounded number
            of nodes is enough, fewer the larger E * M is (None).
        macs: (E,) multiply-accumulates of one sample; needed by a price or a limit on them.
        parameters: (E,); needed by a limit on them.
        price: of a multiply-accumulate, in the unit of the losses.

    Raises:
        InputError: shapes that do not fit, or limits that cannot be met (it names them).
    """
    losses, share = check_matrix(loss, weight)
    problem = prepare(losses, share, experts, limits or Limits(), macs, parameters, price)
    check_limits(problem)
    plan, bound = _solve(problem, exact)
    if not problem.limited:
        plan = earliest_equal(problem, plan)
    gap = plan.objective - bound
    return Selection(
        *_in_rows(problem, plan, losses, share),
        objective=plan.objective,
        proven_optimal=bool(gap <= TOLERANCE * (1.0 + abs(plan.objective))),
        bound=min(bound, plan.objective),
    )


def _solve(problem: Problem, exact: bool | None) -> tuple[Plan, float]:
    """Return the best plan found and a bound no plan can be below."""
    if problem.limited:
        return _solve_limited(problem, exact)
    start = by_swaps(problem)
    cost, _ = finite_cost(problem.cost)
    upper = start.objective if start is not None else float(cost.max(axis=0).sum())
    multiplier = cost.min(axis=0) if start is None else _charges(problem, start)
    bound = _root(problem, multiplier, upper).bound
    if start is not None and (exact is False or _closed(upper, bound)):
        return start, bound
    nodes = WORK // cost.size if exact is None else None
    search = Branching(cost, problem.experts, upper, nodes)
    search.run(problem.forced, multiplier)
    plan = start if search.best is None else plan_of(problem, search.best)
    if plan is None or not np.isfinite(plan.objective):
        raise why_infeasible(problem)
    return plan, plan.objective if search.complete else min(bound, plan.objective)


def _solve_limited(problem: Problem, exact: bool | None) -> tuple[Plan, float]:
    start = _start_limited(problem)
    if start is None:
        kept = undominated(problem)
        useful = np.isfinite(problem.cost[kept])
        bound = -np.inf
    else:
        dual = _root(problem, _charges(problem, start), start.objective)
        bound = dual.bound
        if exact is False or _closed(start.objective, bound):
            return start, bound
        # An assignment whose own bound is above a known plan is in no better plan.
        upper = start.objective + 1e-9 * (1.0 + abs(start.objective))
        forced = np.asarray(problem.forced, dtype=np.int64)
        hopeful = np.union1d(np.flatnonzero(dual.opening <= upper), forced)
        kept = np.intersect1d(undominated(problem), hopeful)
        serving = dual.opening[:, None] + np.maximum(problem.cost - dual.multiplier, 0.0)
        useful = (serving <= upper)[kept]
    nodes = NODES if exact is None and start is not None else None
    solved = solve(problem.take(kept), useful, nodes)
    if solved.plan is None:
        if start is None:
            raise why_infeasible(problem)
        return start, start.objective if solved.finished else bound
    plan = replace(
        solved.plan,
        positions=tuple(int(kept[p]) for p in solved.plan.positions),
        assignment=kept[solved.plan.assignment],
    )
    if start is not None and start.objective <= plan.objective:
        plan = start
    return plan, plan.objective if solved.finished else max(bound, solved.bound)


def _start_limited(problem: Problem) -> Plan | None:
    """Return the best plan of a few descents; a price on MACs leads to plans within their limit."""
    best = by_swaps(problem)
    if problem.limits.max_macs is None:
        return best
    known = problem.cost[np.isfinite(problem.cost)]
    per_mac = float(np.ptp(known)) / max(float(np.ptp(problem.macs)) * problem.share.mean(), 1e-300)
    burden = per_mac * problem.macs[:, None] * problem.share
    for price in PRICES:
        plan = by_swaps(replace(problem, cost=problem.cost + price * burden))
        if plan is not None:
            plan = replace(plan, objective=float(_charges(problem, plan).sum()))
            if best is None or plan.objective < best.objective:
                best = plan
    return best


def _charges(problem: Problem, plan: Plan) -> Floats:
    return problem.cost[plan.assignment, np.arange(problem.cost.shape[1])]


def _root(problem: Problem, start: Floats, upper: float) -> Dual:
    """Bound the whole problem; worth and opening are those of all E experts."""
    floor = np.full(problem.cost.shape[1], np.inf)
    forced = list(problem.forced)
    if forced:
        floor = problem.cost[forced].min(axis=0)
    if len(forced) == problem.experts:
        total = float(floor.sum())
        none = np.full(len(problem.cost), np.inf)
        none[forced] = total
        return Dual(total, np.minimum(start, floor), none, none)
    others = np.setdiff1d(np.arange(len(problem.cost)), forced)
    dual = lagrangian(
        problem.cost[others], floor, problem.experts - len(forced), start, upper, ROOT_STEPS
    )
    worth, opening = np.zeros(len(problem.cost)), np.full(len(problem.cost), dual.bound)
    worth[others], opening[others] = dual.worth, dual.opening
    return Dual(dual.bound, dual.multiplier, worth, opening)


def _closed(objective: float, bound: float) -> bool:
    return objective - bound <= 1e-10 * (1.0 + abs(objective))


def _in_rows(
    problem: Problem, plan: Plan, losses: Floats, share: Floats
) -> tuple[tuple[int, ...], Floats]:
    """Translate positions to rows of the loss matrix and route weightless clusters too."""
    rows = problem.rows[list(plan.positions)]
    chosen = np.sort(rows)
    served = np.empty(len(share), dtype=np.int64)
    served[share > 0] = problem.rows[plan.assignment]
    used = [float(problem.share[problem.rows[plan.assignment] == row].sum()) for row in chosen]
    busiest = int(chosen[int(np.argmax(used))])
    for cluster in np.flatnonzero(share == 0):
        column = losses[chosen, cluster]
        known = np.isfinite(column)
        best = int(chosen[np.where(known, column, np.inf).argmin()])
        served[cluster] = best if known.any() else busiest
    routing = (served[:, None] == chosen[None, :]).astype(np.float64)
    return tuple(int(row) for row in chosen), routing
