"""What different experts are worth on this data, before any gate; it chooses nothing for use."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from moesaic.errors import InputError
from moesaic.selection._problem import Floats, check_matrix
from moesaic.selection._select import select


class Interval(NamedTuple):
    """An estimate with its 95 % interval, in the unit of what is estimated."""

    mean: float
    low: float
    high: float


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
    losses = np.asarray(sample_loss, dtype=np.float64)
    names = np.asarray(cluster)
    if losses.ndim != 2 or names.shape != losses.shape[1:] or not np.all(np.isfinite(losses)):
        raise InputError(
            f"sample losses {losses.shape} and clusters {names.shape} do not fit: give finite "
            "losses (experts, samples) and one cluster a sample"
        )
    if names.size < 4 or splits < 1 or experts < 1:
        raise InputError("cross-fitting needs at least 4 samples, 1 split and 1 expert")
    _, member = np.unique(names, return_inverse=True)
    onehot = np.eye(int(member.max()) + 1)[member]
    total, size = losses @ onehot, onehot.sum(axis=0)
    estimates = []
    for _ in range(splits):
        half = draw_half(member, rng)
        first, count = losses[:, half] @ onehot[half], onehot[half].sum(axis=0)
        parts = ((first, count), (total - first, size - count))
        estimates.append(_held_out_gain(*parts[0], *parts[1], experts))
        estimates.append(_held_out_gain(*parts[1], *parts[0], experts))
    values = np.asarray(estimates)
    mean = float(values.mean())
    error = float(np.sqrt((1.0 / len(values) + 1.0) * values.var(ddof=1)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def draw_half(member: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw half of every cluster, (about N / 2,); an odd sample out goes to a random side.

    Args:
        member: (N,) cluster of every sample, 0 and up.
        rng: draws who is in it.
    """
    picked = []
    for index in range(int(member.max()) + 1):
        own = rng.permutation(np.flatnonzero(member == index))
        picked.append(own[: (len(own) + int(rng.integers(2))) // 2])
    return np.concatenate(picked)


def _held_out_gain(
    chosen_on: Floats, count: Floats, measured_on: Floats, held: Floats, experts: int
) -> float:
    """Choose on sums of losses (E, M) of `count` (M,) samples, measure on the other half."""
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
