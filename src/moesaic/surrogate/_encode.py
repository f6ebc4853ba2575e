"""Observations as a design matrix and log-loss targets; it fits nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture, SearchSpace
from moesaic.surrogate._base import Floats, Subset
from moesaic.surrogate._inputs import Graph, Inputs, as_graph

# Below this a loss is as good as zero: its logarithm would only tell noise apart.
LEAST_LOSS = 1e-3


# From n architectures to (n, P) further inputs, NaN where one is not defined; it should remember.
ExtraFeatures = Callable[[Sequence[Architecture]], Floats]


@dataclass(frozen=True)
class Table:
    """What a model is fitted on, in the order of the trials' keys.

    Attributes:
        inputs: n of them, their features followed by M subset flags when they vary.
        target: (n, M) log of the loss, NaN where not measured.
        group: (n,) equal for equal architectures, which must not be split between folds.
        uses_subset: whether the inputs hold subset flags.
    """

    inputs: Inputs
    target: Floats
    group: NDArray[np.int64]
    uses_subset: bool

    @property
    def groups(self) -> int:
        """Number of distinct architectures."""
        return len(np.unique(self.group))


class Encoder:
    """Turns architectures into inputs and remembers those it has seen."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self.extra: ExtraFeatures | None = None
        self._lowest: Floats | None = None
        self._place: dict[str, int] = {}
        self._features = np.empty((0, 0))
        self._graphs: list[Graph] = []

    def inputs(self, architectures: Sequence[Architecture]) -> Inputs:
        """Return what a model is shown of them, without subset flags.

        Further inputs come last; what they lack is the lowest that was seen in `table`.
        """
        own = self._own(architectures)
        if self.extra is None:
            return own
        more = self.extra(architectures)
        lowest = np.zeros(more.shape[1]) if self._lowest is None else self._lowest
        return own.showing(np.hstack([own.features, np.where(np.isfinite(more), more, lowest)]))

    def _own(self, architectures: Sequence[Architecture]) -> Inputs:
        places = np.empty(len(architectures), dtype=np.int64)
        fresh: list[Floats] = []
        for row, architecture in enumerate(architectures):
            place = self._place.get(architecture.key)
            if place is None:
                place = self._place[architecture.key] = len(self._graphs)
                fresh.append(np.asarray(self._space.features(architecture), dtype=np.float64))
                self._graphs.append(as_graph(self._space.graph(architecture)))
            places[row] = place
        if fresh:
            known = self._features.reshape(-1, len(fresh[0]))
            self._features = np.vstack([known, *fresh])
        return Inputs(self._features[places], tuple(self._graphs[place] for place in places))

    def table(self, observations: Sequence[Observation]) -> Table:
        """Encode the expert observations.

        Raises:
            InputError: no expert among them, or loss vectors of different lengths.
        """
        experts = sorted(
            (one for one in observations if one.trial.architecture is not None),
            key=lambda one: one.trial.key,
        )
        if not experts:
            raise InputError("a surrogate needs observations of experts, got none")
        lengths = {len(one.loss) for one in experts}
        if len(lengths) > 1:
            raise InputError(f"loss vectors have lengths {sorted(lengths)}: give one length M")
        clusters = lengths.pop()
        architectures = [
            one.trial.architecture for one in experts if one.trial.architecture is not None
        ]
        subsets = [one.trial.subset for one in experts]
        flags = subset_flags(subsets, len(experts), clusters)
        varies = bool(np.any(flags != flags[0]))
        if self.extra is not None:
            more = self.extra(architectures)
            found = np.where(np.isfinite(more), more, np.inf).min(axis=0)
            self._lowest = np.where(np.isfinite(found), found, 0.0)
        inputs = self.inputs(architectures)
        loss = np.stack([np.asarray(one.loss, dtype=np.float64) for one in experts])
        loss = np.where(np.isfinite(loss), np.maximum(loss, LEAST_LOSS), np.nan)
        keys = [architecture.key for architecture in architectures]
        _, group = np.unique(keys, return_inverse=True)
        if varies:
            inputs = inputs.showing(np.hstack([inputs.features, flags]))
        return Table(inputs, np.log(loss), np.asarray(group, dtype=np.int64), varies)


def subset_flags(subsets: Sequence[Subset] | None, count: int, clusters: int) -> Floats:
    """Return (n, M) ones and zeros; None means all clusters.

    Raises:
        InputError: another number of subsets, or one of another length.
    """
    if subsets is None:
        return np.ones((count, clusters))
    if len(subsets) != count or any(one is not None and len(one) != clusters for one in subsets):
        raise InputError(f"give {count} subsets of {clusters} booleans each (or None)")
    return np.stack(
        [np.ones(clusters) if one is None else np.asarray(one, dtype=float) for one in subsets]
    )
