"""ConvNeXt: a wide depthwise filter, then a perceptron on the channels of every pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import ChannelNorm, Patches, PooledClassifier

# The published 1e-6 is for networks several times as deep, trained hundreds of times as long.
_LAYER_SCALE = 0.1


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise, layer norm, 1x1 to four times the width, GELU, 1x1 back, scale, shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.scale = nn.Parameter(torch.full((width,), _LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        pixels = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        out: Tensor = x + (self.scale * self.perceptron(pixels)).permute(0, 3, 1, 2)
        return out


@family("ConvNeXt", provenance="Liu et al. 2022, arXiv:2201.03545")
def convnext(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a stem of 2 x 2 patches and stages of 1, 1, 3 and 1 blocks, halved in between."""
    layers: list[nn.Module] = []
    inputs = input_shape[0]
    for i, (width, repeats) in enumerate(((24, 1), (48, 1), (96, 3), (160, 1))):
        patches = Patches(inputs, width, 2)
        layers += [patches, ChannelNorm(width)] if i == 0 else [ChannelNorm(inputs), patches]
        layers += [ConvNeXtBlock(width) for _ in range(repeats)]
        inputs = width
    layers += [nn.AdaptiveAvgPool2d(1), ChannelNorm(inputs)]
    return PooledClassifier(nn.Sequential(*layers), inputs, classes)
