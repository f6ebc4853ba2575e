"""The features of vector cells: radial and other bending operations and their cost; no fitting."""

from __future__ import annotations

import math

from moesaic.spaces._features import FeatureMap, Sequence, Weights, mean, number
from moesaic.spaces._graph import Edges
from moesaic.spaces._vector_network import vector_network_macs
from moesaic.spaces._vector_operations import SKIP, is_nonlinear, is_radial, macs_per_sample

_REFERENCE_VECTOR = (8,)  # only the ratio between cells matters to a surrogate
# Variances at the start of training, inputs standard normal: relu keeps 1/2 - 1/(2 pi) of it;
# bumps put out about this much at any scale of their input.
_RELU_VARIANCE = 0.34
_RBF_VARIANCE = 0.002


class VectorFeatureMap(FeatureMap):
    """Counts bending operations, radial ones among them, and affine ones that stand before one."""

    skip = SKIP

    def _path_statistics(self, paths: Weights) -> dict[str, float]:
        bends = [number(is_nonlinear, sequence) for sequence in paths]
        return {
            "bends on the longest": max(bends),
            "bends on the shortest": min(bends),
            "bends a path": mean(paths, lambda s: number(is_nonlinear, s)),
            "radial on the longest": max(number(is_radial, s) for s in paths),
            "radial a path": mean(paths, lambda s: number(is_radial, s)),
            "paths without a bend": mean(paths, lambda s: number(is_nonlinear, s) == 0),
            "linear between bends": mean(paths, _linear_between),
        }

    def _share_statistics(self, share: Weights) -> dict[str, float]:
        return {
            "signal bends": mean(share, lambda s: number(is_nonlinear, s)),
            "signal radial": mean(share, lambda s: number(is_radial, s)),
            "signal length": mean(share, len),
            "signal without a bend": mean(share, lambda s: number(is_nonlinear, s) == 0),
            "signal without radial": mean(share, lambda s: number(is_radial, s) == 0),
            "signal unchanged": share.get((), 0.0),
        }

    def _scale(self, operation: str, variance: float) -> float:
        """The square of a normal variable of variance v has variance 2 v^2."""
        if operation == "rbf":
            return _RBF_VARIANCE / variance
        if operation == "square":
            return 2.0 * variance
        return _RELU_VARIANCE if operation == "relu" else 1.0

    def _cost(
        self, edges: Edges, widths: tuple[int, ...], cells_per_stage: int, stem_stride: int
    ) -> dict[str, float]:
        """Take the MACs on vectors of eight numbers."""
        macs = vector_network_macs(edges, widths, cells_per_stage, _REFERENCE_VECTOR, classes=10)
        relative = sum(macs_per_sample(op, widths[0]) for *_, op in edges) / widths[0] ** 2
        return {
            "log cell cost": math.log1p(relative),
            "log MACs": math.log(macs),
            "log width": sum(math.log(width) for width in widths) / len(widths),
            "log cells": math.log(cells_per_stage * len(widths)),
        }


def _linear_between(sequence: Sequence) -> int:
    """Count linear maps after a bend and before another: those neither stem nor head could do."""
    bends = [place for place, op in enumerate(sequence) if is_nonlinear(op)]
    return sequence[bends[0] : bends[-1]].count("linear") if bends else 0
