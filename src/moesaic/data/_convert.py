"""NumPy arrays as people save them, turned into the tensors of a split; it opens no files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moesaic.errors import InputError

Array = NDArray[Any]
_CHUNK = 4096


def convert_inputs(arrays: Mapping[str, Array], where: str) -> tuple[dict[str, Tensor], list[str]]:
    """Turn the inputs of all splits of one source into tensors.

    Args:
        arrays: by key, (N, D) vectors, (N, H, W) grey images, or (N, H, W, C) or (N, C, H, W)
            images with 1, 3 or 4 channels (a fourth, transparency, is dropped).
        where: the file or folder, for messages.

    Returns:
        By key, float32 (N, D) or uint8 (N, C, H, W); and notes on what was done to them.

    Raises:
        InputError: unlike shapes, not numbers, or images that are not in 0 .. 255 or 0 .. 1.
    """
    for key, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise InputError(f"'{key}' in '{where}' is of type {array.dtype}: numbers are expected")
        if array.ndim not in (2, 3, 4):
            raise InputError(
                f"'{key}' in '{where}' has shape {array.shape}: expected vectors (N, D) or images "
                "(N, H, W) or (N, H, W, C)"
            )
    shapes = {key: array.shape[1:] for key, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{key}: {shape}" for key, shape in shapes.items())
        raise InputError(f"the inputs in '{where}' differ in shape ({listed}): make them equal")
    if len(next(iter(shapes.values()))) == 1:
        return {key: _vectors(array) for key, array in arrays.items()}, []
    return _convert_images(arrays, where)


def convert_labels(array: Array, key: str, where: str) -> NDArray[np.int64]:
    """Return labels as int64 (N,).

    Raises:
        InputError: they are not one whole number a sample.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(
            f"'{key}' in '{where}' has shape {array.shape}: expected a class number a sample, (N,)"
        )
    whole = array.dtype.kind in "biu" or (
        array.dtype.kind == "f" and bool(np.all(np.isfinite(array) & (array == np.rint(array))))
    )
    if not whole:
        raise InputError(
            f"'{key}' in '{where}' ({array.dtype}) must be whole numbers: number the classes from "
            "0 and put their names into 'classes'"
        )
    if array.size and array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise InputError(
            f"'{key}' in '{where}' goes up to {array.max()}: number the classes from 0 and put "
            "their names into 'classes'"
        )
    return array.astype(np.int64)


def _vectors(array: Array) -> Tensor:
    """Return float32 (N, D); what does not fit becomes infinite and is refused later."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.array(array, dtype=np.float32))


def _convert_images(arrays: Mapping[str, Array], where: str) -> tuple[dict[str, Tensor], list[str]]:
    """Return uint8 (N, C, H, W) images and notes."""
    notes = []
    shape = next(iter(arrays.values())).shape[1:]
    if len(shape) == 2:
        axes: tuple[int, ...] = (0, 1, 2)
        channels = 1
    elif shape[2] in (1, 3, 4):
        axes, channels = (0, 3, 1, 2), shape[2]
    elif shape[0] in (1, 3, 4):
        axes, channels = (0, 1, 2, 3), shape[0]
        notes.append("read as (N, C, H, W): the second axis is the one that can be channels")
    else:
        raise InputError(
            f"the images in '{where}' have shape {shape}: expected (H, W), or (H, W, C) with 1, 3 "
            "or 4 channels"
        )
    scale = _image_scale(arrays, where)
    if scale != 1.0:
        notes.append(f"images lie in 0 .. {255 / scale:g}: stretched to 0 .. 255")
    if channels == 4:
        notes.append("the fourth channel (transparency) was dropped")
    result = {}
    for key, array in arrays.items():
        moved = array.transpose(axes)
        planes = moved[:, None] if len(shape) == 2 else moved[:, : min(channels, 3)]
        out = np.empty(planes.shape, dtype=np.uint8)
        for start in range(0, len(planes), _CHUNK):
            chunk = planes[start : start + _CHUNK]
            plain = chunk.dtype == np.uint8 and scale == 1.0
            out[start : start + _CHUNK] = chunk if plain else np.rint(chunk * scale)
        result[key] = torch.from_numpy(out)
    return result, notes


def _image_scale(arrays: Mapping[str, Array], where: str) -> float:
    """Return the factor to 0 .. 255, one for all splits (a dark split must not be stretched)."""
    filled = [array for array in arrays.values() if array.size]
    if not filled or all(array.dtype == np.uint8 for array in filled):
        return 1.0
    low = float(min(array.min() for array in filled))
    high = float(max(array.max() for array in filled))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"the images in '{where}' hold NaN or infinite values: fill or drop them")
    fractions = any(array.dtype.kind in "fb" for array in filled)
    for key, array in arrays.items():
        if array.size and array.max() <= 1 < high and bool(np.any(array != np.rint(array))):
            raise InputError(
                f"'{key}' in '{where}' lies in 0 .. 1, other images in 0 .. {high:g}: give all of "
                "them one scale"
            )
    if low >= 0 and high <= 1 and fractions:
        return 255.0
    if low >= 0 and high <= 255:
        return 1.0
    raise InputError(
        f"the images in '{where}' lie in {low:g} .. {high:g}: expected uint8, or numbers in 0 .. "
        "255 or 0 .. 1 (undo the normalisation, divide 16-bit images by 257)"
    )
