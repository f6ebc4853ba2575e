"""The features of image cells: convolutions, poolings and their cost; it fits nothing."""

from __future__ import annotations

import math

from moesaic.spaces._features import FeatureMap, Weights, mean, number
from moesaic.spaces._graph import Edges
from moesaic.spaces._network import network_macs
from moesaic.spaces._operations import (
    SKIP,
    is_convolution,
    is_pooling,
    is_spatial,
    macs_per_pixel,
)

_REFERENCE_IMAGE = (3, 32, 32)  # only the ratio between cells matters to a surrogate
# Variance that a pooling of roughly independent values lets through.
_POOLED_VARIANCE = 0.4


class ImageFeatureMap(FeatureMap):
    """Counts convolutions, spatial ones among them, and poolings."""

    skip = SKIP

    def _path_statistics(self, paths: Weights) -> dict[str, float]:
        convolutions = [number(is_convolution, sequence) for sequence in paths]
        return {
            "convolutions on the longest": max(convolutions),
            "convolutions on the shortest": min(convolutions),
            "convolutions a path": mean(paths, lambda s: number(is_convolution, s)),
            "spatial on the longest": max(number(is_spatial, s) for s in paths),
            "spatial a path": mean(paths, lambda s: number(is_spatial, s)),
            "pooling on the shortest": min(number(is_pooling, s) for s in paths),
            "pooling a path": mean(paths, lambda s: number(is_pooling, s)),
        }

    def _share_statistics(self, share: Weights) -> dict[str, float]:
        convolutions, spatial, pooling = is_convolution, is_spatial, is_pooling
        return {
            "signal convolutions": mean(share, lambda s: number(convolutions, s)),
            "signal spatial": mean(share, lambda s: number(spatial, s)),
            "signal pooling": mean(share, lambda s: number(pooling, s)),
            "signal length": mean(share, len),
            "signal without convolution": mean(share, lambda s: number(convolutions, s) == 0),
            "signal without spatial": mean(share, lambda s: number(spatial, s) == 0),
            "signal without pooling": mean(share, lambda s: number(pooling, s) == 0),
            "signal of two convolutions": mean(share, lambda s: number(convolutions, s) > 1),
            "signal unchanged": share.get((), 0.0),
            "signal of one pixel": mean(
                share, lambda s: number(spatial, s) + number(pooling, s) < 1
            ),
        }

    def _scale(self, operation: str, variance: float) -> float:
        """Normalised convolutions put out variance 1, a skip passes on, a pooling keeps a part."""
        if is_convolution(operation):
            return 1.0 / variance
        return _POOLED_VARIANCE if is_pooling(operation) else 1.0

    def _cost(
        self, edges: Edges, widths: tuple[int, ...], cells_per_stage: int, stem_stride: int
    ) -> dict[str, float]:
        """Take the MACs on a 32 x 32 colour image."""
        macs = network_macs(edges, widths, cells_per_stage, _REFERENCE_IMAGE, 10, stem_stride)
        relative = sum(macs_per_pixel(op, widths[0]) for *_, op in edges) / widths[0] ** 2
        return {
            "log cell cost": math.log1p(relative),
            "log MACs": math.log(macs),
            "log width": sum(math.log(width) for width in widths) / len(widths),
            "log cells": math.log(cells_per_stage * len(widths)),
        }
