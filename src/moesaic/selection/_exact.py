"""The k-median problem as a mixed-integer program (HiGHS); it reads no losses, only a Problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from moesaic.errors import RunFailed
from moesaic.selection._problem import Floats, Plan, Problem

INFEASIBLE = 2


@dataclass(frozen=True)
class Solved:
    """What the solver says: the best plan (None: there is none), its bound, whether it finished."""

    plan: Plan | None
    bound: float
    finished: bool


@dataclass(frozen=True)
class _Rows:
    """Linear constraints being collected as triplets."""

    row: list[NDArray[np.int64]]
    column: list[NDArray[np.int64]]
    value: list[Floats]
    low: list[Floats]
    high: list[Floats]

    def add(
        self,
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        value: Floats,
        low: Floats,
        high: Floats,
    ) -> None:
        """Append len(low) constraints; `row` counts from 0 within them."""
        base = sum(len(part) for part in self.low)
        self.row.append(row + base)
        self.column.append(column)
        self.value.append(value)
        self.low.append(low)
        self.high.append(high)

    def constraint(self, columns: int) -> LinearConstraint:
        low, high = np.concatenate(self.low), np.concatenate(self.high)
        entries = (
            np.concatenate(self.value),
            (np.concatenate(self.row), np.concatenate(self.column)),
        )
        return LinearConstraint(coo_array(entries, shape=(len(low), columns)).tocsr(), low, high)


def _constraints(
    problem: Problem, expert: NDArray[np.int64], cluster: NDArray[np.int64]
) -> LinearConstraint:
    """Build the rows over columns [open (E,), serve (S,)], serve s = (expert[s], cluster[s])."""
    experts, clusters = problem.cost.shape
    serve = experts + np.arange(len(expert))
    opens = np.arange(experts)
    ones, spot = np.ones(len(expert)), np.arange(len(expert))
    rows = _Rows([], [], [], [], [])
    rows.add(cluster, serve, ones, np.ones(clusters), np.ones(clusters))
    rows.add(
        np.concatenate([spot, spot]),
        np.concatenate([serve, expert]),
        np.concatenate([ones, -ones]),
        np.full(len(spot), -np.inf),
        np.zeros(len(spot)),
    )
    wanted = np.array([float(problem.experts)])
    rows.add(np.zeros(experts, dtype=np.int64), opens, np.ones(experts), wanted, wanted)
    limits, share = problem.limits, problem.share
    below = np.array([-np.inf])
    if limits.max_parameters is not None:
        scale = max(float(limits.max_parameters), 1.0)
        rows.add(
            np.zeros(experts, dtype=np.int64),
            opens,
            problem.parameters / scale,
            below,
            np.array([limits.max_parameters / scale]),
        )
    if limits.max_macs is not None:
        scale = max(float(limits.max_macs), 1.0)
        rows.add(
            np.zeros(len(expert), dtype=np.int64),
            serve,
            share[cluster] * problem.macs[expert] / scale,
            below,
            np.array([limits.max_macs / scale]),
        )
    if limits.min_share > 0.0:
        rows.add(
            np.concatenate([expert, opens]),
            np.concatenate([serve, opens]),
            np.concatenate([share[cluster], np.full(experts, -limits.min_share)]),
            np.zeros(experts),
            np.full(experts, np.inf),
        )
    return rows.constraint(experts + len(expert))


def solve(
    problem: Problem, allowed: NDArray[np.bool_] | None = None, nodes: int | None = None
) -> Solved:
    """Find the best plan, proven.

    Args:
        problem: E experts, M clusters; infinite cost: may not serve.
        allowed: (E, M) assignments still worth considering; None: all.
        nodes: most branch-and-bound nodes (a count, not a time: the answer stays the same
            on every machine); None: until proven.

    Raises:
        RunFailed: the solver itself broke down.
    """
    useful = np.isfinite(problem.cost) if allowed is None else np.isfinite(problem.cost) & allowed
    if not np.all(useful.any(axis=0)):
        return Solved(None, np.inf, True)
    expert, cluster = np.nonzero(useful)
    experts, clusters = problem.cost.shape
    # Costs relative to each cluster's best, scaled: HiGHS stops at absolute gaps of 1e-6.
    base = np.where(useful, problem.cost, np.inf).min(axis=0)
    gap = problem.cost[expert, cluster] - base[cluster]
    scale = 1e3 / max(float(gap.max()), 1e-300) if gap.max() > 0 else 1.0
    low = np.zeros(experts + len(expert))
    low[list(problem.forced)] = 1.0
    whole = np.ones(experts + len(expert))
    if not problem.limited:
        # Without limits every cluster takes its cheapest open expert: whole by itself.
        whole[experts:] = 0.0
    options: dict[str, float] = {"mip_rel_gap": 0.0}
    if nodes is not None:
        options["node_limit"] = nodes
    result = milp(
        np.concatenate([np.zeros(experts), gap * scale]),
        integrality=whole,
        bounds=Bounds(low, np.ones(len(low))),
        constraints=_constraints(problem, expert, cluster),
        options=options,
    )
    if result.status == INFEASIBLE:
        return Solved(None, np.inf, True)
    if result.x is None and result.status != 1:
        raise RunFailed(f"the mixed-integer solver failed: {result.message}")
    bound = -np.inf
    if result.mip_dual_bound is not None:
        bound = float(result.mip_dual_bound) / scale + float(base.sum())
    if result.x is None:
        return Solved(None, bound, False)
    positions = np.argsort(-result.x[:experts], kind="stable")[: problem.experts]
    serving = np.full((experts, clusters), -1.0)
    serving[expert, cluster] = result.x[experts:]
    chosen = tuple(int(p) for p in np.sort(positions))
    inside = serving[list(chosen)]
    if not problem.limited:
        inside = -problem.cost[list(chosen)]
    assignment = np.asarray(chosen, dtype=np.int64)[inside.argmax(axis=0)]
    objective = float(problem.cost[assignment, np.arange(clusters)].sum())
    return Solved(Plan(chosen, assignment, objective), bound, result.status == 0)
