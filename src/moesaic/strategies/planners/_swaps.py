"""Splits families into groups so that their pairs weigh least: tabu search by swaps, in integers.

It knows nothing of plans. All arithmetic is on whole numbers, so that every machine finds the
same groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FORBIDDEN = np.iinfo(np.int64).max // 4
STEPS = 300
PATIENCE = 20


def improve_groups(
    weight: Ints, group: Ints, priced: Ints, movable: Bools, rng: np.random.Generator
) -> Ints:
    """Return a better split: the least total weight of the pairs that share a group.

    Every step swaps the two families that lower the total most, or raise it least; the two may
    not move for a few steps after (tabu search, Glover 1989). It ends when nothing was gained for
    PATIENCE steps.

    Args:
        weight: (n, n) symmetric weight of every pair, zero on the diagonal.
        group: (n,) group of every family, or -1 for a family that takes no part.
        priced: (G,) 1 where the pairs of a group count, 0 where they do not.
        movable: (n,) families that may be swapped; each of them has a group.
        rng: where the lengths of the tabus come from.

    Returns:
        (n,) groups of the same sizes.
    """
    group, best = group.copy(), group.copy()
    movers = np.flatnonzero(movable)
    member = (group[:, None] == np.arange(len(priced))).astype(np.int64)
    pull = (weight @ member) * priced
    between = weight[np.ix_(movers, movers)]
    tabu = np.zeros(len(movers), dtype=np.int64)
    total = least = 0
    stale = 0
    for step in range(STEPS):
        place = group[movers]
        change = pull[movers][:, place] - pull[movers, place][:, None]
        change = change + change.T - (priced[place][:, None] + priced[place]) * between
        change[place[:, None] == place] = FORBIDDEN
        held = tabu > step
        if held.any():
            change[(held[:, None] | held) & (total + change >= least)] = FORBIDDEN
        first, second = divmod(int(change.argmin()), len(movers)) if len(movers) else (0, 0)
        if not len(movers) or change[first, second] == FORBIDDEN:
            break
        total += int(change[first, second])
        one, other = movers[first], movers[second]
        left, right = group[one], group[other]
        group[one], group[other] = right, left
        moved = weight[:, other] - weight[:, one]
        pull[:, left] += priced[left] * moved
        pull[:, right] -= priced[right] * moved
        tabu[[first, second]] = step + 1 + rng.integers(3, 8)
        if total < least:
            least, best, stale = total, group.copy(), 0
        elif (stale := stale + 1) > PATIENCE:
            break
    return best
