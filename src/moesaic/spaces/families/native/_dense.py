"""DenseNet: every layer reads what all layers of its block before it have written."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import Head, NormActConv, conv

_GROWTH = 16
_BLOCKS = (2, 4, 4)


class DenseLayer(nn.Module):
    """A bottleneck (1 x 1, 3 x 3, pre-activated) whose output is joined to its input."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            NormActConv(inputs, 4 * growth, 1), NormActConv(4 * growth, growth, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, inputs + growth, H, W)."""
        return torch.cat([x, self.body(x)], dim=1)


@family("DenseNet", provenance="Huang et al. 2016, arXiv:1608.06993 (DenseNet-BC)")
def densenet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return dense blocks with bottlenecks, and transitions that halve channels and size."""
    width = 2 * _GROWTH
    layers: list[nn.Module] = [conv(input_shape[0], width, stride=2)]
    for place, depth in enumerate(_BLOCKS):
        if place:
            layers += [NormActConv(width, width // 2, 1), nn.AvgPool2d(2, ceil_mode=True)]
            width //= 2
        for _ in range(depth):
            layers.append(DenseLayer(width, _GROWTH))
            width += _GROWTH
    return nn.Sequential(
        *layers, nn.BatchNorm2d(width), nn.ReLU(inplace=True), Head(width, classes)
    )
