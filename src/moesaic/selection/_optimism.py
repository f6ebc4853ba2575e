"""How much better a selection looks on the samples that chose it; it chooses nothing for use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from moesaic.errors import InputError
from moesaic.selection._heterogeneity import Interval, draw_half
from moesaic.selection._problem import Floats
from moesaic.selection._select import select


def optimism(
    sample_loss: ArrayLike,
    cluster: ArrayLike,
    experts: int,
    *,
    rng: np.random.Generator,
    splits: int = 20,
) -> Interval:
    """Estimate the optimism of the best objective of a bank, in nats.

    In each of `splits` random halvings (within every cluster) one half chooses K experts and
    their routing; the optimism is the mean loss of that choice on the other half less its mean
    loss on its own; then the halves change roles, and the two are averaged. The selection
    itself reads twice as many samples, so its own optimism is smaller than this.

    The interval is Student's with the corrected resampling variance (Nadeau and Bengio 2003),
    as in `cross_fitted_heterogeneity`.

    Args:
        sample_loss: (E, N) loss of every expert on every validation sample, nats, finite.
        cluster: (N,) cluster of every sample, integers.
        experts: K; fewer are chosen where there are fewer experts or clusters.
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
    if names.size < 4 or splits < 2 or experts < 1:
        raise InputError("optimism needs at least 4 samples, 2 splits and 1 expert")
    _, member = np.unique(names, return_inverse=True)
    onehot = np.eye(int(member.max()) + 1)[member]
    total, size = losses @ onehot, onehot.sum(axis=0)
    found = []
    for _ in range(splits):
        half = draw_half(member, rng)
        own, count = losses[:, half] @ onehot[half], onehot[half].sum(axis=0)
        # one figure a halving: which half is the harder one cancels
        there = _excess(own, count, total - own, size - count, experts)
        back = _excess(total - own, size - count, own, count, experts)
        found.append((there + back) / 2)
    values = np.asarray(found)
    mean = float(values.mean())
    error = float(np.sqrt((1.0 / len(values) + 1.0) * values.var(ddof=1)))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def _excess(own: Floats, count: Floats, held: Floats, held_count: Floats, experts: int) -> float:
    """Choose on sums of losses (E, M) over `count` (M,) samples; return held-out less own mean."""
    known = (count > 0) & (held_count > 0)
    mean = own[:, known] / count[known]
    few = max(1, min(experts, *mean.shape))
    owner = select(mean, count[known], few, exact=False).assignment
    columns = np.arange(int(known.sum()))
    inside = float(own[:, known][owner, columns].sum() / count[known].sum())
    outside = float(held[:, known][owner, columns].sum() / held_count[known].sum())
    return outside - inside
