"""Families of residual blocks: ResNet and RegNet (its Y form, with squeeze and excitation)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import ConvNormAct, Head, conv

# RegNet: depth, width of the first block, slope of the widths, their ratio, channels of a group.
_DEPTH, _FIRST, _SLOPE, _RATIO, _GROUP = 6, 24, 12.0, 2.0, 8


class Residual(nn.Module):
    """The sum of a body and a shortcut, then ReLU; the shortcut projects where shapes differ."""

    def __init__(self, body: nn.Module, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = body
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                conv(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


class SqueezeExcite(nn.Module):
    """Scales every channel by a gate read from the averages of all (Hu et al. 2017)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, inner, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        gate: Tensor = self.gate(x.mean(dim=(2, 3), keepdim=True))
        return x * gate


@family("ResNet", provenance="He et al. 2015, arXiv:1512.03385 (basic blocks)")
def resnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return two-convolution blocks with identity shortcuts, in four stages."""
    layers: list[nn.Module] = [ConvNormAct(input_shape[0], 16)]
    before = 16
    for width, stride in ((16, 1), (32, 2), (64, 2), (128, 2)):
        layers.append(_basic(before, width, stride))
        before = width
    return nn.Sequential(*layers, Head(before, classes))


def _basic(inputs: int, outputs: int, stride: int) -> Residual:
    body = nn.Sequential(
        ConvNormAct(inputs, outputs, stride=stride),
        conv(outputs, outputs),
        nn.BatchNorm2d(outputs),
    )
    return Residual(body, inputs, outputs, stride)


@family("RegNet", provenance="Radosavovic et al. 2020, arXiv:2003.13678 (RegNetY)")
def regnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return grouped bottlenecks without narrowing, widths by the paper's quantised line."""
    layers: list[nn.Module] = [ConvNormAct(input_shape[0], 16)]
    before = 16
    for width in regnet_widths():
        layers.append(_regnet_block(before, width, 1 if width == before else 2))
        before = width
    return nn.Sequential(*layers, Head(before, classes))


def regnet_widths() -> list[int]:
    """Return the channels of every block: equations 2 to 4 of the paper."""
    widths = []
    for place in range(_DEPTH):
        exponent = math.log((_FIRST + _SLOPE * place) / _FIRST, _RATIO)
        exact = _FIRST * _RATIO ** round(exponent)
        widths.append(_GROUP * round(exact / _GROUP))
    return widths


def _regnet_block(inputs: int, outputs: int, stride: int) -> Residual:
    body = nn.Sequential(
        ConvNormAct(inputs, outputs, 1),
        ConvNormAct(outputs, outputs, stride=stride, groups=outputs // _GROUP),
        SqueezeExcite(outputs, max(1, inputs // 4)),
        conv(outputs, outputs, 1),
        nn.BatchNorm2d(outputs),
    )
    return Residual(body, inputs, outputs, stride)
