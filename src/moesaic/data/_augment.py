"""Batched augmentation of images and the order of batches; both only use the generator given."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from moesaic.data._dataset import Split
from moesaic.errors import InputError


def augment(
    images: Tensor, *, shift: int, flip: bool, cutout: int, generator: torch.Generator
) -> Tensor:
    """Change every image of a batch in its own way.

    Args:
        images: uint8 (B, C, H, W).
        shift: pixels to move by at most, along both axes; what comes in is reflected.
        flip: whether to mirror left and right, every second image on average.
        cutout: side in pixels of a square, at a random place and cut off by the border, that is
            replaced by the image's mean colour; 0 for none.
        generator: draws all of it; may live on another device than the images.

    Returns:
        uint8 (B, C, H, W); `images` itself when there is nothing to do.

    Raises:
        InputError: shift or cutout is negative, or not below (shift) the size of the image.
    """
    height, width = images.shape[2:]
    if not 0 <= shift < min(height, width) or cutout < 0:
        raise InputError(
            f"shift {shift} and cutout {cutout} do not suit images of {height} x {width} pixels: "
            f"give 0 <= shift < {min(height, width)} and cutout >= 0"
        )
    if shift or flip:
        images = _move(images, shift, flip, generator)
    if cutout:
        images = _cut(images, cutout, generator)
    return images


def batches(
    split: Split, batch_size: int, generator: torch.Generator, *, shuffle: bool = True
) -> Iterator[Tensor]:
    """Yield the indices int64 (b,) of one pass over a split, every sample once.

    A last batch of one sample is added to the one before: batch normalisation cannot train on it.

    Args:
        split: what to pass over.
        batch_size: samples a batch.
        generator: draws the order.
        shuffle: False keeps the order of the split and draws nothing.

    Raises:
        InputError: batch_size is below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch size {batch_size}: give at least 1")
    count = len(split)
    order = (
        torch.randperm(count, generator=generator, device=generator.device)
        if shuffle
        else torch.arange(count)
    )
    chunks = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    if batch_size > 1 and len(chunks) > 1 and len(chunks[-1]) == 1:
        chunks[-2:] = [torch.cat(chunks[-2:])]
    return iter(chunks)


def _move(images: Tensor, shift: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Shift and mirror by looking every pixel up at its reflected old place."""
    count, channels, height, width = images.shape
    draw = _draw(generator, (2, count, 1), 2 * shift + 1, images.device) - shift
    rows = _reflect(torch.arange(height, device=images.device) + draw[0], height)
    columns = _reflect(torch.arange(width, device=images.device) + draw[1], width)
    if flip:
        mirrored = _draw(generator, (count, 1), 2, images.device).bool()
        columns = torch.where(mirrored, columns.flip(1), columns)
    places = (rows[:, :, None] * width + columns[:, None, :]).reshape(count, 1, -1)
    flat = images.reshape(count, channels, -1)
    return flat.gather(2, places.expand_as(flat)).reshape(images.shape)


def _cut(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Replace a square of every image by its mean colour."""
    count, _, height, width = images.shape
    inside = []
    for length in (height, width):
        middle = _draw(generator, (count, 1), length, images.device)
        offset = torch.arange(length, device=images.device) - (middle - side // 2)
        inside.append((offset >= 0) & (offset < side))
    hole = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
    mean = images.float().mean(dim=(2, 3), keepdim=True).round().to(images.dtype)
    return torch.where(hole, mean, images)


def _draw(
    generator: torch.Generator, shape: tuple[int, ...], below: int, device: torch.device
) -> Tensor:
    """Draw whole numbers in 0 .. below - 1."""
    return torch.randint(0, below, shape, generator=generator, device=generator.device).to(device)


def _reflect(places: Tensor, length: int) -> Tensor:
    """Fold places in -length < p < 2 length - 1 into 0 .. length - 1, the edge not repeated."""
    places = places.abs()
    return length - 1 - (length - 1 - places).abs()
