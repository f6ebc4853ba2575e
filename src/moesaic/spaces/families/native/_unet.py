"""UNet: contracting and expanding path with the maps passed between them, as a classifier."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import PooledClassifier, convolution, resize_to


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    """Return the two 3x3 convolutions of a level."""
    return nn.Sequential(convolution(inputs, outputs), convolution(outputs, outputs))


class UNet(nn.Module):
    """Levels of two convolutions, maximum pooling on the way down, up-convolution on the way up."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        """Build the network.

        Args:
            channels: of the image.
            widths: channels, one a level from the top.
        """
        super().__init__()
        befores = (channels, *widths[:-1])
        self.down = nn.ModuleList(_twice(*pair) for pair in zip(befores, widths, strict=True))
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        upward = [(below, here) for here, below in itertools.pairwise(widths)][::-1]
        # Nearest neighbour and 3x3 rather than 2x2, which would move the map by half a pixel.
        self.grow = nn.ModuleList(convolution(*pair, activation=None) for pair in upward)
        self.up = nn.ModuleList(_twice(2 * here, here) for _, here in upward)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to (B, widths[0], H, W)."""
        passed: list[Tensor] = []
        for i, level in enumerate(self.down):
            x = level(self.pool(x) if i > 0 else x)
            passed.append(x)
        passed.pop()
        for level, grow in zip(self.up, self.grow, strict=True):
            beside = passed.pop()
            x = level(torch.cat([beside, grow(resize_to(x, beside))], dim=1))
        return x


@family("UNet2D", provenance="Ronneberger et al. 2015, arXiv:1505.04597")
def unet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the network; its last map is widened and shrunk before the average and the head.

    Averages of its 8 channels alone would be too few numbers to tell many classes apart.
    """
    network = UNet(input_shape[0], (8, 16, 32, 64))
    return PooledClassifier(nn.Sequential(network, convolution(8, 96, 5, 4)), 96, classes)
