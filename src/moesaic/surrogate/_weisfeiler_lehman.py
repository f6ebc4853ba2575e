"""The Weisfeiler-Lehman kernel between cells: how many refined vertex labels they share."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array

from moesaic.surrogate._base import Floats
from moesaic.surrogate._inputs import Graph

ROUNDS = 2

Labels = NDArray[np.uint64]


def _code(value: object) -> int:
    """Return 64 bits that are the same in every process."""
    return int.from_bytes(hashlib.blake2b(repr(value).encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=1 << 17)
def labels(graph: Graph) -> tuple[Labels, ...]:
    """Return, for every level, the labels of a graph, as often as they occur.

    Level 0 holds the operations of its edges; level h the labels of its vertices after h
    refinements by what enters and what leaves them (Shervashidze et al., 2011, with labels at
    the edges). Vertices start as input, leaf or neither.
    """
    levels = [[_code(operation) for _, _, operation in graph]]
    sources = {i for i, _, _ in graph}
    vertices = sources | {j for _, j, _ in graph}
    label = {
        vertex: _code("input" if vertex == 0 else "inner" if vertex in sources else "leaf")
        for vertex in vertices
    }
    for _ in range(ROUNDS):
        around: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
        for i, j, operation in graph:
            around[i].append((1, operation, label[j]))
            around[j].append((0, operation, label[i]))
        label = {vertex: _code((label[vertex], sorted(around[vertex]))) for vertex in vertices}
        levels.append(list(label.values()))
    return tuple(np.array(level, dtype=np.uint64) for level in levels)


class GraphKernel:
    """The mean over levels of the cosine between label counts; 1 for equal graphs.

    It is positive semi-definite. Graphs without edges are like nothing but each other.
    """

    def fit(self, graphs: Sequence[Graph]) -> Floats:
        """Remember n graphs; return the kernel among them (n, n)."""
        empty = np.array([not graph for graph in graphs], dtype=np.float64)
        known, parts = [], []
        for level in range(ROUNDS + 1):
            found = np.unique(np.concatenate([labels(graph)[level] for graph in graphs]))
            known.append(found)
            parts.append(_counts(graphs, level, found))
        self._known, self._parts, self._empty = known, parts, empty
        return self.across(graphs)

    def across(self, graphs: Sequence[Graph]) -> Floats:
        """Return the kernel between q graphs and the remembered ones (q, n)."""
        empty = np.array([not graph for graph in graphs], dtype=np.float64)
        total: Floats = np.outer(empty, self._empty) * len(self._parts)
        for level, (found, part) in enumerate(zip(self._known, self._parts, strict=True)):
            total += (_counts(graphs, level, found) @ part.T).toarray()
        return total / len(self._parts)


def _counts(graphs: Sequence[Graph], level: int, known: Labels) -> csr_matrix:
    """Return counts of known labels (q, L), every row divided by its length over all labels."""
    lists = [labels(graph)[level] for graph in graphs]
    row = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    every, column = np.unique(np.concatenate([*lists, known]), return_inverse=True)
    column = column[: len(row)]
    counts = csr_matrix((np.ones(len(row)), (row, column)), shape=(len(lists), len(every)))
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    kept = counts.tocsc()[:, np.searchsorted(every, known)]
    return csr_matrix(diags_array(1.0 / np.maximum(length, 1e-12)) @ kept)
