"""Groups of samples that belong together, and near-duplicates among images as such groups."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional

from moesaic.errors import InputError

_SIDE = 16  # pixels at which images are compared: a shift of one pixel must not tell them apart
_ROWS = 1024  # images compared with all others of their class at once


def near_duplicates(images: Tensor, labels: Tensor, similarity: float = 0.85) -> NDArray[np.int64]:
    """Group the images of a class that look alike, such as frames of one video.

    Two images of a class are alike where the correlation of their pixels, reduced to 16 x 16, is
    above `similarity`; so brightness and contrast do not matter. Who is alike to one of a group
    belongs to it (single linkage): no two images of different groups and one class are alike. On
    data whose classes are uniform, such as digits, unrelated images are alike too: look at the
    sizes of the groups before you use them.

    Args:
        images: uint8 (N, C, H, W).
        labels: classes (N,).
        similarity: above 0 and below 1.

    Returns:
        The group of every image (N,), numbered from 0; what an .npz takes as `train_groups`.

    Raises:
        InputError: no such images, labels of another length, or a similarity out of range.
    """
    if images.dim() != 4 or images.dtype != torch.uint8:
        raise InputError(
            f"near-duplicates are looked for among uint8 images (N, C, H, W), got "
            f"{images.dtype} {tuple(images.shape)}"
        )
    if labels.shape != images.shape[:1]:
        raise InputError(f"{len(images)} images but labels {tuple(labels.shape)}: give one each")
    if not 0 < similarity < 1:
        raise InputError(f"similarity must be above 0 and below 1, got {similarity}")
    found = torch.zeros(len(labels), dtype=torch.int64)
    first = 0
    for label in torch.unique(labels):
        members = torch.nonzero(labels == label).flatten()
        groups, count = _alike(_standard(images[members]), similarity)
        found[members] = groups + first
        first += count
    return found.numpy()


def _standard(images: Tensor) -> Tensor:
    """Return images as rows (n, D) of mean 0 and norm 1; a constant image is all 0."""
    small = functional.adaptive_avg_pool2d(images.float(), _SIDE).flatten(1)
    small = small - small.mean(dim=1, keepdim=True)
    length: Tensor = small.norm(dim=1, keepdim=True)
    return small / length.clamp_min(1e-3)


def _alike(rows: Tensor, similarity: float) -> tuple[Tensor, int]:
    """Return the connected components (n,) of rows whose products exceed `similarity`."""
    places = []
    for start in range(0, len(rows), _ROWS):
        pairs = torch.nonzero(rows[start : start + _ROWS] @ rows.T > similarity)
        pairs[:, 0] += start
        places.append(pairs)
    first, second = torch.cat(places).T.numpy()
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(rows),) * 2)
    count, groups = connected_components(graph, directed=False)
    return torch.from_numpy(groups.astype(np.int64)), int(count)
