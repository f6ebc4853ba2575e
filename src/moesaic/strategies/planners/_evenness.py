"""How uneven pair counts are, in whole numbers: weights for a search, the spread of a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from moesaic.strategies.planners._swaps import Ints

QUARTERS = 44
NOISE = 64


@cache
def upper_pairs(families: int) -> tuple[Ints, Ints]:
    """Return the rows and columns of every pair once."""
    rows, columns = np.triu_indices(families, 1)
    return rows, columns


@cache
def _growth() -> Ints:
    """Return what a pair costs that is 0, 1, 2, ... quarters of a count off: about 12 to a count.

    Grown in whole numbers, because the exponential of a library differs between machines.
    """
    values = [8]
    for _ in range(QUARTERS):
        values.append(values[-1] * 15 // 8)
    return np.array(values, dtype=np.int64) - 8


def _deviation(pairs: Ints, quarters_up: int) -> Ints:
    """Return how many quarters of a count every pair is above the mean."""
    values = pairs[upper_pairs(len(pairs))]
    mean = 4 * int(values.sum()) // len(values)
    return np.clip(4 * pairs + quarters_up - mean, -QUARTERS, QUARTERS)


def pair_weights(pairs: Ints, rng: np.random.Generator) -> Ints:
    """Return (n, n) what one more of every pair costs, less than nothing for one that is behind.

    The slope of a potential that grows exponentially on both sides of the mean (as in the
    theory of discrepancy), so that the least and the most used pairs count most; a little
    noise breaks ties.

    Args:
        pairs: (n, n) how often every pair was used, zero on the diagonal.
        rng: where the noise comes from.
    """
    off = _deviation(pairs, 2)
    weight = np.sign(off) * _growth()[np.abs(off)] * NOISE
    weight = np.triu(weight + rng.integers(0, NOISE, weight.shape), 1)
    return weight + weight.T


def potential(pairs: Ints) -> int:
    """Return how uneven the pair counts are as a whole; 0 when all are equal."""
    off = _deviation(pairs, 0)[upper_pairs(len(pairs))]
    return int(_growth()[np.abs(off)].sum())


def spread(pairs: Ints) -> int:
    """Return the largest pair count less the smallest."""
    values = pairs[upper_pairs(len(pairs))]
    return int(values.max() - values.min())


def with_block(pairs: Ints, block: Sequence[int]) -> Ints:
    """Return the pair counts after one more candidate."""
    added = pairs.copy()
    members = np.asarray(block, dtype=np.int64)
    added[np.ix_(members, members)] += 1
    added[members, members] = 0
    return added
