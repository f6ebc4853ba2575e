"""What a surrogate sees of a cell: numbers of its canonical form; it fits nothing.

A one-hot of the slots is deliberately absent: on NAS-Bench-201 it lowers the rank correlation
of every surrogate tried, because the same slot means different things in different cells.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from moesaic.spaces._graph import NONE, Edges, leaves, longest_distance, path_counts

MAX_PATH_FEATURES = 128

Sequence = tuple[str, ...]
Weights = Mapping[Sequence, float]


class FeatureMap(ABC):
    """Maps a canonical cell and its skeleton to a vector (F,) of fixed length.

    Five blocks: how often each operation occurs; how many live paths carry each multiset of
    operations (skips contracted); statistics of the graph and its paths; the same under *signal
    shares*, in which a path weighs as much as the variance it brings to the output of an
    untrained network; cost. A subclass knows the operations.
    """

    skip: ClassVar[str]

    def __init__(self, operations: tuple[str, ...], longest: int) -> None:
        """Fix the length and the names.

        Args:
            operations: the operations of the space.
            longest: number of edges of the longest path a cell may have.
        """
        self._operations = tuple(op for op in operations if op != NONE)
        self._bags = _bags(tuple(op for op in self._operations if op != self.skip), longest)
        empty = self._values(((0, 1, self._operations[0]),), (1,), 1, 1)
        self.names = tuple(empty)

    @abstractmethod
    def _path_statistics(self, paths: Weights) -> dict[str, float]:
        """Say what the operations along live paths are, each path as often as it occurs."""

    @abstractmethod
    def _share_statistics(self, share: Weights) -> dict[str, float]:
        """Say the same of signal shares, which add up to 1; skips are contracted in them."""

    @abstractmethod
    def _scale(self, operation: str, variance: float) -> float:
        """Return the factor on the variance of its input, at the start of training."""

    @abstractmethod
    def _cost(
        self, edges: Edges, widths: tuple[int, ...], cells_per_stage: int, stem_stride: int
    ) -> dict[str, float]:
        """Return logarithms of the cost and of the widths."""

    def __call__(
        self, edges: Edges, widths: tuple[int, ...], cells_per_stage: int, stem_stride: int = 1
    ) -> NDArray[np.float64]:
        """Return the vector of a canonical cell; zeros for a dead one."""
        if not edges:
            return np.zeros(len(self.names))
        return np.array(
            list(self._values(edges, widths, cells_per_stage, stem_stride).values()), dtype=float
        )

    def _values(
        self, edges: Edges, widths: tuple[int, ...], cells_per_stage: int, stem_stride: int
    ) -> dict[str, float]:
        operations = Counter(op for *_, op in edges)
        values = {f"count {op}": float(operations[op]) for op in self._operations}
        paths = path_counts(edges)
        bags: Counter[Sequence] = Counter()
        for sequence, count in paths.items():
            bags[self._contract(sequence)] += count
        values |= {f"paths {' + '.join(bag) or self.skip}": float(bags[bag]) for bag in self._bags}
        values |= _graph_statistics(edges, paths)
        values |= self._path_statistics(paths)
        values["direct edge"] = float(min(map(len, paths)) == 1)
        share, variance = self._signal_shares(edges)
        values |= self._share_statistics(share)
        values["log variance"] = math.log(variance)
        return values | self._cost(edges, widths, cells_per_stage, stem_stride)

    def _contract(self, sequence: Sequence) -> Sequence:
        return tuple(sorted(op for op in sequence if op != self.skip))

    def _signal_shares(self, edges: Edges) -> tuple[dict[Sequence, float], float]:
        """Return the share of the output's variance per contracted path, and that variance.

        Terms of a sum are taken as independent.
        """
        carried: dict[int, dict[Sequence, float]] = defaultdict(lambda: defaultdict(float))
        carried[0][()] = 1.0
        for i, j, op in sorted(edges):
            scale = self._scale(op, sum(carried[i].values()))
            for sequence, part in carried[i].items():
                carried[j][self._contract((*sequence, op))] += scale * part
        out: dict[Sequence, float] = defaultdict(float)
        for leaf in leaves(edges):
            for sequence, part in carried[leaf].items():
                out[sequence] += part
        variance = sum(out.values())
        return {sequence: part / variance for sequence, part in out.items()}, variance


def _bags(operations: tuple[str, ...], longest: int) -> list[Sequence]:
    """Return the multisets of operations up to the largest size that fits the cap."""
    bags: list[Sequence] = []
    for length in range(longest + 1):
        more = list(itertools.combinations_with_replacement(sorted(operations), length))
        if bags and len(bags) + len(more) > MAX_PATH_FEATURES:
            break
        bags.extend(more)
    return bags


def number(test: Callable[[str], bool], sequence: Sequence) -> int:
    """Return how many operations of a path pass the test."""
    return sum(test(op) for op in sequence)


def mean(weights: Weights, value: Callable[[Sequence], float]) -> float:
    """Return the mean of a value over paths that weigh so much."""
    total = sum(weights.values())
    return sum(weight * value(sequence) for sequence, weight in weights.items()) / total


def _graph_statistics(edges: Edges, paths: Weights) -> dict[str, float]:
    distance = longest_distance(edges)
    lengths = [len(sequence) for sequence in paths]
    return {
        "live edges": len(edges),
        "live vertices": len(distance),
        "leaves": len(leaves(edges)),
        "longest path": max(lengths),
        "shortest path": min(lengths),
        "paths": sum(paths.values()),
        "width": max(Counter(distance.values()).values()),
    }
