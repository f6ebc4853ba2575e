"""The two-dimensional toy problem of the SA-NAS paper, as a source of vectors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from moesaic.data._dataset import Split
from moesaic.data._digits import refuse_argument
from moesaic.data._source import DataSource, RawData

_CLOUD = 1000
_RING = 500


class ToySource(DataSource):
    """A linear cloud (classes 0, 1) beside two noisy rings (classes 2, 3): 2,000 points."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Return the points with their region as the domain."""
        refuse_argument("toy", argument)
        points, labels = toy_points(seed)
        split = Split(
            torch.from_numpy(points.astype(np.float32)),
            torch.from_numpy(labels),
            torch.from_numpy((labels >= 2).astype(np.int64)),
        )
        classes = ("x0 > x1", "x0 <= x1", "inner ring", "outer ring")
        return RawData(split, classes, domain_names=("linear", "rings"))


def toy_points(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw the points as the authors of SGEM do, number for number (Babkin & Bakhteev).

    The draws come from NumPy's legacy generator, in the published order, because the published
    figures are for its seeds (322, 1, 2).

    Args:
        seed: of the legacy generator; taken modulo 2**32, which is all that one accepts.

    Returns:
        points (2000, 2) and labels (2000,) in 0 .. 3.
    """
    rng = np.random.RandomState(seed % 2**32)
    cloud = rng.normal(0.0, 2.0, (_CLOUD, 2))
    cloud_labels = np.where(cloud[:, 0] > cloud[:, 1], 0, 1)
    cloud[:, 0] -= 6.0

    radius = np.repeat([1.0, 2.0], _RING)
    ring_labels = np.repeat([2, 3], _RING)
    angle = rng.uniform(0.0, 2.0 * np.pi, 2 * _RING)
    rings = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    rings += np.array([2.0, 0.0]) + rng.normal(0.0, 0.3, rings.shape)
    order = rng.permutation(len(rings))

    points = np.concatenate([cloud, rings[order]])
    labels = np.concatenate([cloud_labels, ring_labels[order]]).astype(np.int64)
    order = rng.permutation(len(points))
    return points[order], labels[order]
