"""The columns of the model of yield: one a family, one a pair that was met; it fits nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from moesaic.report.campaign._candidates import Candidate, families_of

Floats = NDArray[np.float64]
_MOST_PAIRS = 500


@dataclass(frozen=True)
class Design:
    """Which column stands for what.

    Attributes:
        families: all names, F of them.
        anchored: whether each is in every candidate, so that its effect cannot be told.
        pairs: pairs of families that were met more than once, P of them; not those with an
            anchored family, whose pairs are the other family's own effect.
        centre: (F + P,) the mean of every column.
    """

    families: tuple[str, ...]
    anchored: tuple[bool, ...]
    pairs: tuple[tuple[str, str], ...]
    centre: Floats

    def columns(self, candidates: Sequence[Candidate]) -> Floats:
        """Return (n, 1 + F + P): a one, then the centred columns; unknown families add none."""
        holds = _holds(candidates, self.families, self.pairs) - self.centre
        return np.column_stack([np.ones(len(candidates)), holds])


def make_design(candidates: Sequence[Candidate]) -> Design:
    """Choose the columns for candidates; of more than 500 pairs those met most often.

    A pair that was met once cannot be told from the noise of that training and has no column.
    """
    families = families_of(candidates)
    count = Counter(name for found in candidates for name in found.families)
    anchored = {name for name in families if count[name] == len(candidates)}
    met = Counter(
        pair
        for found in candidates
        for pair in combinations(sorted(set(found.families) - anchored), 2)
    )
    often = sorted((pair for pair in met if met[pair] > 1), key=lambda pair: (-met[pair], pair))
    pairs = tuple(sorted(often[:_MOST_PAIRS]))
    return Design(
        families,
        tuple(name in anchored for name in families),
        pairs,
        _holds(candidates, families, pairs).mean(axis=0),
    )


def _holds(
    candidates: Sequence[Candidate],
    families: Sequence[str],
    pairs: Sequence[tuple[str, str]],
) -> Floats:
    place = {name: index for index, name in enumerate(families)}
    single = np.zeros((len(candidates), len(families)))
    for row, found in zip(single, candidates, strict=True):
        row[[place[name] for name in found.families if name in place]] = 1.0
    first, second = ([place[pair[side]] for pair in pairs] for side in (0, 1))
    return np.column_stack([single, single[:, first] * single[:, second]])
