"""What a model is shown of n architectures: their features and their graphs; it encodes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moesaic.surrogate._base import Floats

Graph = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Inputs:
    """A row an architecture.

    Attributes:
        features: (n, F).
        graphs: n graphs of live edges (from, to, operation), vertex 0 the input; equal
            architectures have equal ones.
    """

    features: Floats
    graphs: tuple[Graph, ...]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Inputs:
        """Return some rows, given by their numbers or by a mask."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Inputs(self.features[places], tuple(self.graphs[place] for place in places))

    def showing(self, features: Floats) -> Inputs:
        """Return the same architectures with other features."""
        return replace(self, features=features)


def without_graphs(features: Floats) -> Inputs:
    """Return inputs of architectures of which nothing but features is known."""
    return Inputs(features, ((),) * len(features))


def as_graph(edges: Sequence[tuple[int, int, str]]) -> Graph:
    """Return edges as `SearchSpace.graph` gives them, hashable."""
    return tuple((int(i), int(j), str(operation)) for i, j, operation in edges)
