"""One round of a balanced order: every family once more, in candidates whose pairs lag most.

It looks at one round only; which rounds follow each other is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from moesaic.strategies.planners._evenness import pair_weights, potential, spread, with_block
from moesaic.strategies.planners._swaps import Bools, Ints, improve_groups

Block = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Round:
    """Candidates that use every family of a round once.

    Where K does not divide what is left, the last candidate holds the last families of this
    round and some guests: families that have begun the next round with it.

    Attributes:
        blocks: the candidates, in order.
        guests: (n,) families that have begun the next round.
        pairs: (n, n) pair counts after it.
        spread: the largest spread of the pair counts after any of the candidates.
        potential: how uneven the pair counts are after it.
    """

    blocks: tuple[Block, ...]
    guests: Bools
    pairs: Ints
    spread: int
    potential: int

    @property
    def rank(self) -> tuple[int, int]:
        """What makes a round better than another: the lower one is."""
        return self.spread, self.potential


def make_round(pairs: Ints, blocks: list[Block], guests: Bools) -> Round:
    """Return the round of these candidates, after pair counts (n, n)."""
    worst = 0
    for block in blocks:
        pairs = with_block(pairs, block)
        worst = max(worst, spread(pairs))
    return Round(tuple(blocks), guests, pairs, worst, potential(pairs))


def search_round(
    pairs: Ints,
    begun: Bools,
    experts: int,
    unused: Callable[[Block], bool],
    rng: np.random.Generator,
) -> Round | None:
    """Return a round found by swaps, or None when it would repeat a candidate.

    Args:
        pairs: (n, n) pair counts so far.
        begun: (n,) families that have begun this round as guests of the last one.
        experts: K.
        unused: whether a candidate may still be planned.
        rng: where the draws come from.
    """
    families = len(pairs)
    left = np.flatnonzero(~begun)
    full, rest = divmod(len(left), experts)
    group = np.full(families, -1, dtype=np.int64)
    group[rng.permutation(left)] = np.arange(len(left)) // experts
    priced = np.ones(full + (rest > 0), dtype=np.int64)
    group = improve_groups(pair_weights(pairs, rng), group, priced, ~begun, rng)
    blocks = _in_order(pairs, [_members(group == place) for place in range(full)])
    guests = np.zeros(families, dtype=bool)
    if rest:
        after = pairs
        for block in blocks:
            after = with_block(after, block)
        last = group == full
        block, guests = _invite(after, last, experts - rest, rng)
        blocks.append(block)
    if len(set(blocks)) < len(blocks) or not all(unused(block) for block in blocks):
        return None
    return make_round(pairs, blocks, guests)


def _invite(pairs: Ints, last: Bools, wanted: int, rng: np.random.Generator) -> tuple[Block, Bools]:
    """Return the candidate of the last families and their guests, and who the guests are."""
    group = last.astype(np.int64)
    others = rng.permutation(np.flatnonzero(~last))
    group[others[:wanted]] = 1
    priced = np.array([0, 1], dtype=np.int64)
    group = improve_groups(pair_weights(pairs, rng), group, priced, ~last, rng)
    return _members(group == 1), (group == 1) & ~last


def _in_order(pairs: Ints, blocks: list[Block]) -> list[Block]:
    """Return the candidates with most of the least used pairs first, most of the most used last."""
    if not blocks:
        return []
    inner = np.array([pairs[np.ix_(block, block)] for block in blocks])
    off = ~np.eye(len(blocks[0]), dtype=bool)
    fewest, most = pairs[~np.eye(len(pairs), dtype=bool)].min(), pairs.max()
    behind = ((inner == fewest) & off).sum(axis=(1, 2))
    ahead = ((inner == most) & off).sum(axis=(1, 2))
    return [blocks[place] for place in np.lexsort((ahead, -behind))]


def _members(mask: Bools) -> Block:
    return tuple(np.flatnonzero(mask).tolist())
