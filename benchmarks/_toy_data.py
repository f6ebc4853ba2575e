"""The points of the toy benchmark, cut into clusters; it trains nothing.

Three variants, every one of 2,000 points, classes 0 and 1 linear, 2 and 3 rings:

- balanced: the generator of the SA-NAS paper's authors, number for number, `moesaic.data`'s `toy`:
  1,000 points of a cloud N(0, 4 I), class 0 where x0 > x1, else 1, moved by -6 along x0; 500 points
  at radius 1 (class 2) and 500 at radius 2 (class 3), N(0, .09) added, centre (2, 0).
- imbalanced: the same with 200 points of the cloud and 1,800 of the rings.
- multi: 20 clouds of 100 points on a grid of 5 x 4 places 8 apart, ten of a kind at random: N(0, I)
  about the place, class 0 where x0 > x1 relative to it, else 1; or 50 points at radius 1 (class 2)
  and 50 at radius 2 (class 3) about it, N(0, .09) added. The classes only depend on where a point
  lies in its cloud, so experts are given that: the point minus the centroid of its own cluster.

Then, in all of them: 20 % are put aside for validation (`random_state` = seed), k-means
(20 clusters, `n_init` 10, `random_state` = seed) on the rest, validation points to the nearest
centroid. The oracle, which nothing but the judge reads: a cluster is linear if its centroid has
x0 < -2; in `multi`, if the place nearest to its centroid holds a linear cloud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.model_selection import train_test_split

from moesaic.data import Normaliser, Split
from moesaic.data._toy import toy_points

VARIANTS = ("balanced", "imbalanced", "multi")
CLUSTERS = 20
SPACING = 8.0
_EACH = 100

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """One seed of one variant, as a search sees it, and the oracle beside it.

    Attributes:
        train, validation: float32 (N, 2), labels in 0 .. 3.
        train_clusters, validation_clusters: int64 (N,) in 0 .. 19, by the nearest centroid.
        normaliser: fitted on train.
        weight: (M,) shares of the clusters in train.
        oracle: bool (M,), whether a cluster is linear; for judging alone.
    """

    train: Split
    validation: Split
    train_clusters: Ints
    validation_clusters: Ints
    normaliser: Normaliser
    weight: Floats
    oracle: NDArray[np.bool_]


def make_world(variant: str, seed: int) -> World:
    """Draw the points of a variant, split them and cut them into clusters."""
    rng = np.random.RandomState(seed % 2**32)
    kinds: tuple[Floats, NDArray[np.bool_]] | None = None
    if variant == "balanced":
        points, labels = toy_points(seed)
    elif variant == "imbalanced":
        points, labels = _imbalanced(rng)
    else:
        points, labels, kinds = _multi(rng)
    train, validation, train_labels, validation_labels = train_test_split(
        points, labels, test_size=0.2, random_state=seed % 2**32
    )
    means = KMeans(CLUSTERS, n_init=10, random_state=seed % 2**32).fit(train)
    centres = means.cluster_centers_
    homes = [means.labels_.astype(np.int64), means.predict(validation).astype(np.int64)]
    if kinds is None:
        oracle = centres[:, 0] < -2.0
    else:
        places, linear = kinds
        oracle = linear[((centres[:, None] - places) ** 2).sum(axis=2).argmin(axis=1)]
        train, validation = train - centres[homes[0]], validation - centres[homes[1]]
    split = _split(train, train_labels)
    return World(
        train=split,
        validation=_split(validation, validation_labels),
        train_clusters=homes[0],
        validation_clusters=homes[1],
        normaliser=Normaliser.fit(split),
        weight=np.bincount(homes[0], minlength=CLUSTERS) / len(train),
        oracle=oracle,
    )


def _split(points: Floats, labels: Ints) -> Split:
    return Split(torch.from_numpy(points.astype(np.float32)), torch.from_numpy(labels))


def _imbalanced(rng: np.random.RandomState) -> tuple[Floats, Ints]:
    cloud, cloud_labels = _cloud(rng, 200, 2.0)
    rings, ring_labels = _rings(rng, 1800)
    points = np.concatenate([cloud - np.array([6.0, 0.0]), rings + np.array([2.0, 0.0])])
    return _shuffled(rng, points, np.concatenate([cloud_labels, ring_labels]))


def _multi(
    rng: np.random.RandomState,
) -> tuple[Floats, Ints, tuple[Floats, NDArray[np.bool_]]]:
    rows, columns = np.meshgrid(np.arange(5.0), np.arange(4.0))
    places = SPACING * np.stack([rows.ravel(), columns.ravel()], axis=1)
    linear = rng.permutation(np.arange(len(places)) % 2 == 0)
    clouds = [_cloud(rng, _EACH, 1.0) if kind else _rings(rng, _EACH) for kind in linear]
    points = np.concatenate(
        [cloud + place for (cloud, _), place in zip(clouds, places, strict=True)]
    )
    drawn = _shuffled(rng, points, np.concatenate([labels for _, labels in clouds]))
    return *drawn, (places, linear)


def _cloud(rng: np.random.RandomState, count: int, spread: float) -> tuple[Floats, Ints]:
    points = rng.normal(0.0, spread, (count, 2))
    return points, np.where(points[:, 0] > points[:, 1], 0, 1).astype(np.int64)


def _rings(rng: np.random.RandomState, count: int) -> tuple[Floats, Ints]:
    radius = np.repeat([1.0, 2.0], count // 2)
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return points + rng.normal(0.0, 0.3, points.shape), np.repeat([2, 3], count // 2)


def _shuffled(rng: np.random.RandomState, points: Floats, labels: Ints) -> tuple[Floats, Ints]:
    order = rng.permutation(len(points))
    return points[order], labels[order]
