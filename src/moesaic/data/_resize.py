"""Matching of image sizes and channels on whole arrays; it decodes no files."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Chunks of about this many values keep the float copy of the images small.
_CHUNK = 2**23


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Return images of another size.

    A whole number of pixels is averaged where the size divides (area); otherwise antialiased
    bilinear interpolation.

    Args:
        images: uint8 (N, C, H, W).
        height: rows wanted.
        width: columns wanted.

    Returns:
        uint8 (N, C, height, width); `images` itself when the size is right already.
    """
    count, channels, rows, columns = images.shape
    if (rows, columns) == (height, width):
        return images
    whole = rows % height == 0 and columns % width == 0
    out = torch.empty((count, channels, height, width), dtype=torch.uint8)
    step = max(1, _CHUNK // (channels * max(rows * columns, height * width)))
    for start in range(0, count, step):
        chunk = images[start : start + step].float()
        if whole:
            small = F.avg_pool2d(chunk, (rows // height, columns // width))
        else:
            small = F.interpolate(chunk, (height, width), mode="bilinear", antialias=True)
        out[start : start + step] = small.round_().clamp_(0, 255).to(torch.uint8)
    return out


def match_channels(images: Tensor, channels: int) -> Tensor:
    """Return images (N, C, H, W) with `channels` channels, grey repeated into each of them."""
    if images.shape[1] == channels:
        return images
    return images.expand(-1, channels, -1, -1).contiguous()
