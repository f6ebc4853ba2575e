"""Scoring every K-subset of a bank by its stored predictions; it reads no files and trains nothing.

Symbols: E experts, K of them in a subset, N validation samples, M clusters.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError, unknown_name
from moesaic.selection._problem import Limits
from moesaic.selection._select import select
from moesaic.selection.subsets._board import Board, Winner
from moesaic.selection.subsets._correct import correct
from moesaic.selection.subsets._descent import descend
from moesaic.selection.subsets._gate import cross_fitted_losses, standardise
from moesaic.selection.subsets._halves import opposite
from moesaic.selection.subsets._request import Members, Task, checked, clusters_of, right_of
from moesaic.selection.subsets._result import Ranking
from moesaic.selection.subsets._tables import (
    Table,
    cluster_losses,
    cluster_table,
    ensemble_table,
    gate_table,
    mean_table,
    oracle_table,
)
from moesaic.selection.subsets._walk import walk

SCORES = ("oracle", "cluster", "ensemble", "mean", "gate")
MOST = 50_000_000
_SHORT_LIST = 5  # gates are fitted for so many times `top` subsets


def score_subsets(
    members: Members,
    experts: int,
    *,
    score: str = "oracle",
    limits: Limits | None = None,
    active: int | None = None,
    top: int = 20,
    seed: int = 0,
    most: int = MOST,
) -> Ranking:
    """Score the subsets of K experts and return the best.

    - `oracle`: mean over samples of the least loss among the K; what a perfect gate would reach.
    - `cluster`: sum_m n_m min_k L[k, m]; what routing by cluster reaches.
    - `ensemble`: loss of the averaged probabilities.
    - `mean`: mean accuracy of the K, the only score of which more is better.
    - `gate`: held-out loss of a linear gate on the embeddings, for the best by `oracle`.

    Up to `most` subsets all are scored; beyond, greedy + swaps from the whole set and from two
    halves, with a bound. Of equal subsets the first in lexicographic order is the better.

    Args:
        members: the experts that may be chosen.
        experts: K.
        score: one of `SCORES`.
        limits: `max_macs` (here on the sum of the `active` dearest members), `max_parameters`,
            `must_have` and `must_not`; `min_share` is not read.
        active: how many members run on a sample; all K by default.
        top: how many of the best are returned.
        seed: of the halves.
        most: subsets up to which all are scored.

    Raises:
        InputError: shapes that do not fit, something the score needs is missing, or limits that
            no subset meets.
    """
    task = checked(members, experts, limits or Limits(), active, top, seed, most)
    if score not in SCORES:
        raise unknown_name("score", score, SCORES)
    if score == "gate":
        return _by_gate(task)
    if score == "cluster":
        return _by_cluster(task)
    return _by_samples(task, score)


def _by_samples(task: Task, score: str) -> Ranking:
    """Rank by a score that is a mean over samples."""
    loss, experts = task.loss, task.experts
    exhaustive = task.space <= task.most
    halves = task.halves(one=not exhaustive)
    sign = 1.0
    if score == "oracle":
        table = oracle_table(loss, halves)

        def per_sample(row: NDArray[np.int64]) -> NDArray[np.floating]:
            return np.asarray(loss[row].min(axis=0))

    elif score == "ensemble":
        table = ensemble_table(loss, halves, experts)

        def per_sample(row: NDArray[np.int64]) -> NDArray[np.floating]:
            return np.asarray(-np.log(np.maximum(np.exp(-loss[row]).mean(axis=0), 1e-30)))

    else:
        right, sign = right_of(task), -1.0
        table = mean_table(right, halves, experts)

        def per_sample(row: NDArray[np.int64]) -> NDArray[np.floating]:
            return np.asarray(-right[row].mean(axis=0))

    board = Board(table, task.top)
    _fill(task, table, board)
    bound = None if exhaustive else _bound(task, score, table)
    if exhaustive and board.best()[1].size:
        bound = sign * float(board.best()[1][0])
    return Ranking(
        best=correct(board, per_sample, sign),
        scored=board.scored,
        space=task.space,
        exhaustive=exhaustive,
        bound=bound,
        higher_is_better=sign < 0,
    )


def _by_cluster(task: Task) -> Ranking:
    cluster, share = clusters_of(task)
    exhaustive = task.space <= task.most
    halves = task.halves(one=not exhaustive)
    losses, shares = cluster_losses(task.loss, cluster, share, halves)
    table = cluster_table(losses, shares)
    board = Board(table, task.top)
    _fill(task, table, board)

    def held_out(view: int, winner: Winner) -> float:
        rows, other = list(winner.members), opposite(view)
        routed = losses[view][rows].argmin(axis=0)
        return float(losses[other][rows][routed, np.arange(len(share))] @ shares[other])

    def per_sample(row: NDArray[np.int64]) -> NDArray[np.floating]:
        routed = row[losses[0][row].argmin(axis=0)]
        return np.asarray(task.loss[routed[cluster], np.arange(len(cluster))])

    bound = None if exhaustive else _bound(task, "cluster", table)
    if exhaustive and board.best()[1].size:
        bound = float(board.best()[1][0])
    best = correct(board, per_sample, 1.0, held_out)
    return Ranking(best, board.scored, task.space, exhaustive, bound, False)


def _by_gate(task: Task) -> Ranking:
    """Rank the best by `oracle` again, by the loss of a gate that was fitted on other samples."""
    if task.members.embedding is None:
        raise InputError("score gate needs the embeddings of the validation samples: pass them")
    points = standardise(np.asarray(task.members.embedding))
    if len(points) != task.loss.shape[1]:
        raise InputError(
            f"{len(points)} embeddings for {task.loss.shape[1]} samples: give one each"
        )
    halves = task.halves(one=True)
    first = oracle_table(task.loss, halves)
    oracle = Board(first, _SHORT_LIST * task.top)
    _fill(task, first, oracle)
    listed = oracle.best()[0]
    found = np.stack([cross_fitted_losses(task.loss[row], points, halves) for row in listed])
    table = gate_table(found, halves)
    board = Board(table, task.top)
    places = np.arange(len(listed), dtype=np.int64)[:, None]
    board.add(places, table.sums(None, table.parts))
    best = tuple(
        replace(one, members=tuple(int(member) for member in listed[one.members[0]]))
        for one in correct(board, lambda row: found[row[0]], 1.0)
    )
    return Ranking(best, oracle.scored, task.space, task.space <= task.most, None, False)


def _fill(task: Task, table: Table, board: Board) -> None:
    """Show the board all subsets, or those that descents come across."""
    if task.space <= task.most:
        walk(table, board, task.costs, task.free, task.forced, task.experts)
    else:
        seen: set[tuple[int, ...]] = set()
        for view in (0, 1, 2):
            arguments = (table, board, task.costs, task.free, task.forced, task.experts)
            descend(*arguments, view, seen)
    if not len(board.best()[0]):
        raise InputError(
            f"no {task.experts} of the experts meet the limits together: raise max_macs or "
            "max_parameters, or shorten must_have"
        )


def _bound(task: Task, score: str, table: Table) -> float | None:
    """Return a raw score that no subset betters, limits on costs left out."""
    limits = Limits(must_have=task.forced, must_not=_excluded(task))
    if score == "mean":
        accuracy = -table.evaluate(np.arange(len(task.loss))[:, None])[:, 0] * task.experts
        rest = np.sort(accuracy[list(task.free)])[::-1][: task.experts - len(task.forced)]
        return float((accuracy[list(task.forced)].sum() + rest.sum()) / task.experts)
    if score == "cluster":
        columns = table.parts[0].astype(np.float64)
        if task.experts > columns.shape[1]:
            return float(columns[sorted({*task.free, *task.forced})].min(axis=0).sum())
        whole = columns.shape[1]
        return select(columns * whole, np.ones(whole), task.experts, limits, exact=False).bound
    # averaged probabilities are never more likely right than those of the best member
    samples = task.loss.shape[1]
    return select(task.loss, np.ones(samples), task.experts, limits, exact=False).bound


def _excluded(task: Task) -> tuple[int, ...]:
    return tuple(sorted(set(range(len(task.loss))) - {*task.free, *task.forced}))
