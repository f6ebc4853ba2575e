"""How many experts pay: one more as long as it gains enough; it trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moesaic.errors import InputError
from moesaic.selection._halves import Interval


@dataclass(frozen=True)
class Gain:
    """What more experts gain.

    Attributes:
        few: K.
        more: K' > K.
        gain: mean loss of K experts less that of K'.
        loss: mean loss of K experts.
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
    compare: Callable[[int, int], tuple[Interval, float] | None],
    most: int,
    *,
    least_share: float,
) -> tuple[int, list[Gain]]:
    """Return the number of experts after which one more does not pay, and every gain looked at.

    From K = 1 on, K + 1 is compared with K and taken where it pays: where the 95 % interval of its
    gain lies above zero and the gain is at least `least_share` of the loss. The first that does
    not ends it, with one exception: where a second expert does not pay, three are compared with
    one, for two may have to share what three can divide.

    Args:
        compare: the gain of K' over K with its interval, and the mean loss of K, in any unit;
            asked only as far as needed; None for no further.
        most: the largest K, 1 or more.
        least_share: of the loss, that more experts must save.

    Raises:
        InputError: `most` or `least_share` is out of range.
    """
    if most < 1 or not 0 <= least_share < 1:
        raise InputError(
            f"most is {most} and least_share {least_share}: give 1 or more, and a share below 1"
        )
    steps: list[Gain] = []
    current, more = 1, 2
    while more <= most:
        found = compare(current, more)
        if found is None:
            break
        gain, loss = found
        pays = gain.low > 0 and gain.mean >= least_share * loss
        steps.append(Gain(current, more, gain, loss, pays))
        if pays:
            current, more = more, more + 1
        elif (current, more) == (1, 2):
            more = 3
        else:
            break
    return current, steps
