"""What an expert sees: example images as inline PNG, or a table of feature means for vectors."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from moesaic.data import Dataset
from moesaic.report._format import plain
from moesaic.seeds import generator

_IMAGES = 12
_LARGEST = 96
_FEATURES = 6


def example_images(
    dataset: Dataset, members: NDArray[np.int64], seed: int, index: int
) -> list[dict[str, str]]:
    """Draw images at random from some validation samples.

    Args:
        dataset: of images.
        members: places in the validation split to draw from.
        seed: the run's seed.
        index: which draw this is.

    Returns:
        At most 12, sorted by class: `source` is a data URI, `name` the class.
    """
    order = generator(seed, "report-examples", index).permutation(members)[:_IMAGES]
    labels = dataset.validation.labels.numpy()
    order = order[np.argsort(labels[order], kind="stable")]
    return [
        {
            "source": image_source(dataset.validation.inputs[int(place)]),
            "name": dataset.classes[int(labels[place])],
        }
        for place in order
    ]


def image_source(image: Tensor) -> str:
    """Return an image, uint8 (C, H, W), as a PNG data URI of at most 96 pixels a side."""
    pixels = image.numpy()
    if pixels.shape[0] == 3:
        picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)), "RGB")
    else:
        picture = Image.fromarray(np.ascontiguousarray(pixels[0]), "L")
    if max(picture.size) > _LARGEST:
        picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def feature_table(dataset: Dataset, members: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the features in which some validation vectors differ most from all of them.

    Args:
        dataset: of vectors (N, D).
        members: places in the validation split.

    Returns:
        At most 6 rows: the feature's number, the mean of the members, the mean of all.
    """
    values = dataset.validation.inputs.numpy().astype(np.float64)
    if not len(members):
        return []
    mean, spread = values.mean(axis=0), values.std(axis=0)
    own = values[members].mean(axis=0)
    score = np.abs(own - mean) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(-score, kind="stable")[:_FEATURES]
    return [
        {"feature": int(place), "own": plain(own[place]), "all": plain(mean[place])}
        for place in sorted(order.tolist())
    ]
