"""Halves of the validation samples that swap roles; it scores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

MOST_BLOCKS = 8
_FEW = 16


@dataclass(frozen=True)
class Halves:
    """Ways to split the samples in two, made of a few blocks so that all share their sums.

    View 0 is all samples; the views 2h + 1 and 2h + 2 are the two halves of halving h.

    Attributes:
        block: (N,) the block of every sample.
        inside: (D, B) whether a block is in a view.
    """

    block: NDArray[np.int64]
    inside: NDArray[np.bool_]

    @property
    def blocks(self) -> int:
        """B."""
        return int(self.inside.shape[1])

    @property
    def views(self) -> int:
        """D = 1 + twice the number of halvings."""
        return int(self.inside.shape[0])

    def samples(self, view: int) -> NDArray[np.bool_]:
        """Return which samples are in a view, (N,)."""
        chosen: NDArray[np.bool_] = self.inside[view][self.block]
        return chosen

    def means(self) -> NDArray[np.float64]:
        """Return (B, D): sums over blocks times this are means over the samples of each view."""
        size = np.bincount(self.block, minlength=self.blocks)
        count = self.inside @ size
        shares: NDArray[np.float64] = (self.inside / count[:, None]).T
        return shares


def opposite(view: int) -> int:
    """Return the other half of a halving's half."""
    return view + 1 if view % 2 else view - 1


def halve(
    samples: int, group: NDArray[np.int64] | None, rng: np.random.Generator, blocks: int | None
) -> Halves:
    """Deal the samples to blocks and list every halving of the blocks.

    Args:
        samples: N, at least 2.
        group: (N,) dealt out evenly to the blocks, or None.
        rng: draws who goes where.
        blocks: B, even; by default 8 (35 halvings), 2 (one halving) where samples are few.
    """
    if blocks is None:
        blocks = MOST_BLOCKS if samples >= _FEW else 2
    order = rng.permutation(samples)
    if group is not None:
        order = order[np.argsort(group[order], kind="stable")]
    block = np.empty(samples, dtype=np.int64)
    block[order] = np.arange(samples) % blocks
    rows = [np.ones(blocks, dtype=bool)]
    for others in combinations(range(1, blocks), blocks // 2 - 1):
        half = np.zeros(blocks, dtype=bool)
        half[[0, *others]] = True
        rows += [half, ~half]
    return Halves(block, np.array(rows))
