"""What the published theory assumes, as figures on a loss matrix; it trains and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from moesaic.errors import InputError
from moesaic.selection._problem import Floats, check_matrix
from moesaic.selection._select import select

TOLERANCE = 1e-6  # nats by which a selection may miss its optimum, as `select` promises
_LEAST_RANKED = 3


@dataclass(frozen=True)
class Step:
    """One round in which a surrogate said which experts to train.

    All objectives are mean losses in nats of the best K experts with their best routing.

    Attributes:
        before: of the bank before the round, measured.
        believed: of the bank and the proposals as they were predicted.
        achieved: of the experts and the routing believed in, as they were measured.
        after: of the bank and the proposals as they were measured.
        error_max: largest |predicted - measured| over proposals and clusters, nats.
        error_mean: its mean over both.
    """

    before: float
    believed: float
    achieved: float
    after: float
    error_max: float
    error_mean: float

    @property
    def breaks_bound(self) -> bool:
        """Whether what was believed in is more than 2 error_max worse than what was there.

        The published bound L(t+1) >= L(t) - 2 N eps_t on a log-likelihood of N samples, for a
        mean loss and hard routing: J(t+1) <= J(t) + 2 eps_t.
        """
        return self.achieved > self.before + 2.0 * self.error_max + TOLERANCE


def surrogate_step(
    bank: ArrayLike, predicted: ArrayLike, measured: ArrayLike, weight: ArrayLike, experts: int
) -> Step:
    """Replay one round: what the surrogate promised against what the trainings measured.

    Args:
        bank: (E, M) losses measured before the round, nats; E >= 1.
        predicted: (n, M) losses predicted before the n proposals were trained.
        measured: (n, M) their losses once trained.
        weight: (M,) cluster sizes; clusters of weight 0 are left out.
        experts: K; fewer are chosen where there are fewer experts or clusters.

    Raises:
        InputError: shapes that do not fit, or a loss that is missing on a cluster with weight.
    """
    known, share = check_matrix(bank, weight)
    told, _ = check_matrix(predicted, weight)
    found, _ = check_matrix(measured, weight)
    used = share > 0
    known, told, found = known[:, used], told[:, used], found[:, used]
    if told.shape != found.shape or not all(np.all(np.isfinite(x)) for x in (known, told, found)):
        raise InputError(
            f"predicted {told.shape} and measured {found.shape}: give both for the same "
            "architectures, finite on every cluster"
        )
    share = share[used]
    believed = np.concatenate([known, told])
    true = np.concatenate([known, found])
    choice = select(believed, share, _feasible(believed, experts))
    routed = true[choice.assignment, np.arange(len(share))]
    gaps = np.abs(told - found)
    return Step(
        before=best_objective(known, share, experts),
        believed=choice.objective,
        achieved=float(routed @ share),
        after=best_objective(true, share, experts),
        error_max=float(gaps.max()),
        error_mean=float(gaps.mean()),
    )


def best_objective(loss: ArrayLike, weight: ArrayLike, experts: int) -> float:
    """Return min over K experts of sum_m n_m min_k L[k, m], in nats (Problem 5 on a bank).

    Args:
        loss: (E, M) nats, E >= 1.
        weight: (M,) cluster sizes.
        experts: K; fewer are chosen where there are fewer experts or clusters.
    """
    losses, share = check_matrix(loss, weight)
    return select(losses, share, _feasible(losses, experts)).objective


def _feasible(losses: Floats, experts: int) -> int:
    rows, clusters = losses.shape
    return int(max(1, min(experts, rows, clusters)))


def rises(path: Sequence[float]) -> int:
    """Count the steps of a path of objectives (nats) that got worse by more than 1e-6."""
    return len([a for a, b in pairwise(path) if b > a + TOLERANCE * (1.0 + abs(a))])


def joint_minus_decomposed(loss: ArrayLike, weight: ArrayLike, experts: int) -> float:
    """Return what sharing K experts between M clusters costs on a bank, nats, never negative.

    The joint problem (5), K experts for all clusters, less the cluster-wise one (6), every
    cluster its own best expert: min_S sum_m n_m min_{k in S} L[k, m] - sum_m n_m min_e L[e, m].

    Args:
        loss: (E, M) nats.
        weight: (M,) cluster sizes; clusters of weight 0 are left out.
        experts: K.
    """
    losses, share = check_matrix(loss, weight)
    used = share > 0
    losses = np.where(np.isfinite(losses[:, used]), losses[:, used], np.inf)
    apart = float(losses.min(axis=0) @ share[used])
    return max(0.0, best_objective(losses, share[used], experts) - apart)


def cluster_rank_correlation(loss: ArrayLike, weight: ArrayLike) -> float | None:
    """Return the mean over pairs of clusters of Spearman's correlation of the experts' losses.

    When it is 1, all clusters order the architectures alike: one of them is best everywhere,
    the value of heterogeneity is 0 and different architectures cannot help.

    Args:
        loss: (E, M) nats; an expert with a gap is left out.
        weight: (M,) cluster sizes; clusters of weight 0 are left out.

    Returns:
        -1 .. 1; None below 3 experts or 2 clusters, or where no pair of clusters has an order.
    """
    losses, share = check_matrix(loss, weight)
    losses = losses[:, share > 0]
    losses = losses[np.isfinite(losses).all(axis=1)]
    pairs = combinations(range(losses.shape[1]), 2)
    found = [spearman(losses[:, one], losses[:, other]) for one, other in pairs]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Spearman's rank correlation; None below 3 values or where all are equal."""
    ranks = [rankdata(np.asarray(values, dtype=np.float64)) for values in (first, second)]
    if len(ranks[0]) < _LEAST_RANKED or any(np.ptp(rank) == 0 for rank in ranks):
        return None
    centred = [rank - rank.mean() for rank in ranks]
    value = (centred[0] @ centred[1]) / np.sqrt(
        (centred[0] @ centred[0]) * (centred[1] @ centred[1])
    )
    return float(np.clip(value, -1.0, 1.0))


def routing_entropy(usage: ArrayLike) -> float:
    """Return -sum_k p_k ln p_k in nats of the experts' shares (K,), normalised; 0 is collapse.

    Raises:
        InputError: shares that are negative, not finite or all zero.
    """
    shares = np.asarray(usage, dtype=np.float64)
    if shares.ndim != 1 or not np.all(np.isfinite(shares)) or np.any(shares < 0):
        raise InputError("usage must be the experts' shares (K,): finite and not negative")
    if shares.sum() <= 0:
        raise InputError("usage is zero for every expert: give shares of the samples")
    known = shares / shares.sum()
    known = known[known > 0]
    return float(max(0.0, -(known @ np.log(known))))
