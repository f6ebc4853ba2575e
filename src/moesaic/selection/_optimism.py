"""How much better a selection looks on the samples that chose it; it chooses nothing for use."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moesaic.errors import InputError
from moesaic.selection._halves import Halves, Interval, chosen_on, resampled


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
    halves = Halves([sample_loss], cluster, splits)
    if splits < 2 or experts < 1:
        raise InputError("optimism needs at least 2 splits and 1 expert")
    found = []
    for first, second in halves.draw(rng):
        # one figure a halving: which half is the harder one cancels
        pairs = (chosen_on(*both, 0, experts) for both in ((first, second), (second, first)))
        found.append(sum(outside - inside for inside, outside in pairs) / 2)
    return resampled(found)
