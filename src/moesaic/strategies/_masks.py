"""Drawing subsets of clusters to train on; it does not say what is trained."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError
from moesaic.seeds import generator

Mask = tuple[bool, ...]


class MaskSampler:
    """Masks over M clusters, log-uniform in size, that visit every cluster about equally often.

    The size is the floor of a log-uniform number, so that half as large is as likely as twice as
    large. Which clusters: those that the masks so far covered least, a cluster of a mask of n
    counting 1 / n; equals are drawn. Mask i depends on (seed, i) and the masks before it alone.
    """

    def __init__(
        self, clusters: int, seed: int, stage: str, *, smallest: int = 1, largest: int | None = None
    ) -> None:
        """Describe the masks.

        Args:
            clusters: M.
            seed: the run's seed.
            stage: name of the stage the draws belong to.
            smallest: least clusters in a mask.
            largest: most clusters in a mask; M when not given.

        Raises:
            InputError: not 1 <= smallest <= largest <= M.
        """
        most = clusters if largest is None else largest
        if not 1 <= smallest <= most <= clusters:
            raise InputError(
                f"masks of {smallest} to {most} of {clusters} clusters: "
                "expected 1 <= smallest <= largest <= clusters"
            )
        self._clusters, self._seed, self._stage = clusters, seed, stage
        self._sizes = smallest, most
        self._covered = np.zeros(clusters)
        self._drawn: list[Mask] = []

    def mask(self, index: int) -> Mask:
        """Return mask number `index`, (M,) booleans."""
        while len(self._drawn) <= index:
            self._drawn.append(self._next())
        return self._drawn[index]

    def _next(self) -> Mask:
        rng = generator(self._seed, self._stage, len(self._drawn))
        size = draw_size(rng, *self._sizes)
        order = np.lexsort((rng.random(self._clusters), self._covered))
        chosen = np.zeros(self._clusters, dtype=bool)
        chosen[order[:size]] = True
        self._covered[chosen] += 1.0 / size
        return as_mask(chosen)


def draw_size(rng: np.random.Generator, smallest: int, largest: int) -> int:
    """Return a size in smallest .. largest, log-uniformly."""
    drawn = math.exp(rng.uniform(math.log(smallest), math.log(largest + 1)))
    return min(max(int(drawn), smallest), largest)


def as_mask(chosen: NDArray[np.bool_]) -> Mask:
    """Return booleans (M,) as a proposal holds them."""
    return tuple(bool(value) for value in chosen)
