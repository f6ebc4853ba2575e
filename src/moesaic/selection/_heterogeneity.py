"""What different experts are worth on this data, before any gate; it chooses nothing for use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moesaic.errors import InputError
from moesaic.selection._halves import Half, Halves, Interval, resampled
from moesaic.selection._problem import check_matrix
from moesaic.selection._select import select


def value_of_heterogeneity(loss: ArrayLike, weight: ArrayLike) -> float:
    """Return min_a sum_m n_m L[a, m] - sum_m n_m min_a L[a, m], in nats, never negative.

    The best single expert against the best one for every cluster. Computed on the numbers
    that choose, it is optimistic: `cross_fitted_heterogeneity` is the honest figure.

    Args:
        loss: (E, M) nats; an expert with a gap (NaN) cannot be the single one.
        weight: (M,) cluster sizes; clusters of weight 0 are left out.

    Raises:
        InputError: no expert was measured on every cluster.
    """
    losses, share = check_matrix(loss, weight)
    losses, share = losses[:, share > 0], share[share > 0]
    losses = np.where(np.isfinite(losses), losses, np.inf)
    single = float((losses @ share).min(initial=np.inf))
    if not np.isfinite(single):
        raise InputError("no expert was measured on every cluster: measure one everywhere")
    return max(single - float(losses.min(axis=0) @ share), 0.0)


def cross_fitted_heterogeneity(
    sample_loss: ArrayLike,
    cluster: ArrayLike,
    experts: int,
    *,
    rng: np.random.Generator,
    splits: int = 50,
) -> Interval:
    """Estimate what K different experts gain over the best single one, in nats a sample.

    In each of `splits` random halvings (within every cluster) one half chooses the K experts
    with their routing and the single expert; the other half says what the choice gains; then
    the halves change roles. May be negative: choosing more on noisy numbers costs.

    The interval is Student's with the corrected resampling variance (1/J + 1) s^2 over the
    J = 2 * splits estimates (Nadeau and Bengio 2003, test and training parts of equal size),
    because the estimates share their samples: it is wide rather than narrow. The experts
    themselves are taken as given.

    Args:
        sample_loss: (E, N) loss of every expert on every validation sample, finite.
        cluster: (N,) cluster of every sample, integers.
        experts: K; at least the number of clusters: every cluster its own best expert.
        rng: draws the halves.
        splits: number of halvings.

    Raises:
        InputError: shapes that do not fit, values not finite, too few samples to halve.
    """
    halves = Halves([sample_loss], cluster, splits)
    if experts < 1:
        raise InputError(f"{experts} experts: cross-fitting needs at least 1")
    estimates = []
    for first, second in halves.draw(rng):
        estimates.append(_held_out_gain(first, second, experts))
        estimates.append(_held_out_gain(second, first, experts))
    return resampled(estimates)


def _held_out_gain(half: Half, other: Half, experts: int) -> float:
    """Choose on one half, return what that gains on the other over the best single expert."""
    chosen_on, count = half.sums[0], half.sizes
    measured_on, held = other.sums[0], other.sizes
    single = int(chosen_on.sum(axis=1).argmin())
    known = count > 0
    owner = np.full(len(count), single)
    if experts >= int(known.sum()):
        owner[known] = chosen_on[:, known].argmin(axis=0)
    else:
        mean_loss = chosen_on[:, known] / count[known]
        few = min(experts, len(chosen_on))
        owner[known] = select(mean_loss, count[known], few, exact=False).assignment
    gained = measured_on[single] - measured_on[owner, np.arange(len(count))]
    return float(gained.sum() / held.sum())
