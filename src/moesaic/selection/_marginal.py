"""How many experts pay: the marginal gain of more of them, with an interval; it trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from moesaic.errors import InputError
from moesaic.selection._halves import Halves, Interval, chosen_on, resampled
from moesaic.selection._problem import Floats

AHEAD = 2  # a true third region may show only once there are three experts


@dataclass(frozen=True)
class Gain:
    """What more experts gain.

    Attributes:
        few: K.
        more: K' > K.
        gain: mean held-out loss of the best K experts less that of the best K'.
        loss: mean held-out loss of the best K experts.
        pays: whether K' is taken.
    """

    few: int
    more: int
    gain: Interval
    loss: float
    pays: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        gain = self.gain._asdict()
        return {
            "from": self.few,
            "to": self.more,
            "gain": gain,
            "loss": self.loss,
            "pays": self.pays,
        }


def climb(
    candidates: Callable[[int], Floats | None],
    cluster: ArrayLike,
    most: int,
    *,
    least_share: float,
    rng: Callable[[int, int], np.random.Generator],
) -> tuple[int, list[Gain]]:
    """Return the number of experts after which more do not pay, and every gain looked at.

    From K = 1 on, K + 1 is compared with K, and K + 2 where K + 1 does not pay. The first that
    pays is taken; where neither does, K is the answer. It pays when the 95 % interval of its
    gain lies above zero and the gain is at least `least_share` of the loss.

    Args:
        candidates: the sample losses (E, N) of the experts that may be chosen for K;
            asked in the order of K, only as far as needed; None for no further. More experts may
            use those of fewer.
        cluster: (N,) cluster of every sample, as the router sees it.
        most: the largest K.
        least_share: of the loss, that more experts must save.
        rng: the generator of the halves for (K, K').
    """
    names = np.asarray(cluster)
    tables: list[Floats] = []
    steps: list[Gain] = []
    current, moved = 1, True
    while moved:
        moved = False
        for more in range(current + 1, min(current + AHEAD, most) + 1):
            while len(tables) < more:
                table = candidates(len(tables) + 1)
                if table is None:
                    return current, steps
                tables.append(np.asarray(table, dtype=np.float64))
            few_table, more_table = np.concatenate(tables[:current]), np.concatenate(tables[:more])
            gain, loss = marginal_gain(
                few_table, more_table, names, (current, more), rng=rng(current, more)
            )
            pays = gain.low > 0 and gain.mean >= least_share * loss
            steps.append(Gain(current, more, gain, loss, pays))
            if pays:
                current, moved = more, True
                break
    return current, steps


def marginal_gain(
    few: ArrayLike,
    more: ArrayLike,
    cluster: ArrayLike,
    experts: tuple[int, int],
    *,
    rng: np.random.Generator,
    splits: int = 25,
) -> tuple[Interval, float]:
    """Estimate what K' experts gain over K, mean loss a sample, paired over the samples.

    In each of `splits` random halvings (within every cluster) one half chooses K experts out
    of `few` with their routing, and K' out of `more`; the other half says how much less the
    second choice loses; then the halves change roles. The interval is Student's with the
    corrected resampling variance (Nadeau and Bengio 2003), as in `cross_fitted_heterogeneity`.

    Args:
        few: (E, N) loss of every candidate on every validation sample, finite, in any unit.
        more: (F, N) the same for K'.
        cluster: (N,) cluster of every sample, integers.
        experts: K and K'; fewer are chosen where there are fewer clusters or candidates.
        rng: draws the halves.
        splits: number of halvings.

    Returns:
        The gain, and the mean held-out loss of the K experts.

    Raises:
        InputError: shapes that do not fit, values not finite, too few samples to halve.
    """
    halves = Halves([few, more], cluster, splits)
    if not 1 <= experts[0] <= experts[1]:
        raise InputError(
            f"K is {experts[0]} and K' {experts[1]}: a gain needs 1 <= K <= K' and 4 samples"
        )
    gains, losses = [], []
    for first, second in halves.draw(rng):
        for half, other in ((first, second), (second, first)):
            one, two = (chosen_on(half, other, side, experts[side])[1] for side in range(2))
            gains.append(one - two)
            losses.append(one)
    return resampled(gains), float(np.mean(losses))
