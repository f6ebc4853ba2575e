"""SqueezeNet, versions 1.0 and 1.1: fire modules squeeze the channels before they expand them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import ConvNormAct, conv, halve

_PAPER = "Iandola et al. 2016, arXiv:1602.07360"


class Fire(nn.Module):
    """1 x 1 to few channels, then 1 x 1 and 3 x 3 side by side, joined; batch norm is added."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        """Build it; the output has `expanded` channels from either kernel."""
        super().__init__()
        self.squeeze = ConvNormAct(inputs, squeezed, 1)
        self.one = ConvNormAct(squeezed, expanded, 1)
        self.three = ConvNormAct(squeezed, expanded, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, 2 expanded, H, W)."""
        squeezed = self.squeeze(x)
        return torch.cat([self.one(squeezed), self.three(squeezed)], dim=1)


@family("SqueezeNet-1", provenance=f"{_PAPER} (version 1.0); batch norm added")
def squeezenet_1(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return version 1.0: a large first kernel, and pooling late in the network."""
    return nn.Sequential(
        ConvNormAct(input_shape[0], 32, 7, stride=2),
        *_fires(32, [(8, 32), (8, 32), (16, 48)]),
        halve(),
        *_fires(96, [(16, 48), (16, 64), (16, 64), (24, 96)]),
        halve(),
        *_fires(192, [(24, 96)]),
        *_classifier(192, classes),
    )


@family("SqueezeNet-2", provenance=f"{_PAPER}, and its authors' version 1.1; batch norm added")
def squeezenet_2(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return version 1.1: a 3 x 3 first kernel, and pooling early, for less compute."""
    return nn.Sequential(
        ConvNormAct(input_shape[0], 32, 3, stride=2),
        *_fires(32, [(8, 32), (8, 32)]),
        halve(),
        *_fires(64, [(16, 64), (16, 64)]),
        halve(),
        *_fires(128, [(24, 96), (24, 96), (32, 128), (32, 128)]),
        *_classifier(256, classes),
    )


def _fires(inputs: int, sizes: list[tuple[int, int]]) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for squeezed, expanded in sizes:
        modules.append(Fire(inputs, squeezed, expanded))
        inputs = 2 * expanded
    return modules


def _classifier(inputs: int, classes: int) -> list[nn.Module]:
    # The published ReLU before the average would keep logits from falling below zero.
    return [conv(inputs, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
