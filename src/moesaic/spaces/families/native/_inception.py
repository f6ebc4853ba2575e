"""Families of parallel branches: GoogLeNet and Inception-v3, without auxiliary classifiers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import ConvNormAct, Head, halve


class Branches(nn.Module):
    """Modules side by side whose outputs are joined along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the joined outputs."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


@family(
    "GoogLeNet",
    provenance="Szegedy et al. 2014, arXiv:1409.4842; with batch norm (arXiv:1502.03167)",
)
def googlenet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return Inception modules of 1 x 1, 3 x 3, 5 x 5 and pooling branches in three stages."""
    return nn.Sequential(
        ConvNormAct(input_shape[0], 16),
        halve(),
        _inception(16, 16, (16, 24), (8, 8), 8),
        _inception(56, 24, (16, 32), (8, 16), 8),
        halve(),
        _inception(80, 32, (24, 48), (8, 16), 16),
        _inception(112, 32, (24, 48), (8, 16), 16),
        halve(),
        _inception(112, 48, (32, 64), (8, 24), 24),
        Head(160, classes),
    )


def _inception(
    inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int
) -> Branches:
    """Return the module of GoogLeNet; pairs are channels after the 1 x 1 and after the kernel."""
    return Branches(
        ConvNormAct(inputs, one, 1),
        nn.Sequential(ConvNormAct(inputs, three[0], 1), ConvNormAct(three[0], three[1], 3)),
        nn.Sequential(ConvNormAct(inputs, five[0], 1), ConvNormAct(five[0], five[1], 5)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvNormAct(inputs, pooled, 1)),
    )


@family("InceptionV3-1", provenance="Szegedy et al. 2015, arXiv:1512.00567")
def inception_v3(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the five modules of Inception-v3 in order: two of the third kind, one of the rest."""
    return nn.Sequential(
        ConvNormAct(input_shape[0], 16),
        halve(),
        _double_three(16, 16, 16),
        _reduce_grid(64, 48, 16, 24),
        _factorised(136, 24, 32),
        _factorised(128, 24, 32),
        _reduce_factorised(128, 24, 32),
        _widened(192, 32, 48),
        Head(32 + 4 * 48 + 32, classes),
    )


def _pooled(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1), ConvNormAct(inputs, outputs, 1))


def _double_three(inputs: int, inner: int, outputs: int) -> Branches:
    """Return figure 5: two 3 x 3 in place of the 5 x 5; 4 `outputs` channels."""
    return Branches(
        ConvNormAct(inputs, outputs, 1),
        nn.Sequential(ConvNormAct(inputs, inner, 1), ConvNormAct(inner, outputs)),
        nn.Sequential(
            ConvNormAct(inputs, inner, 1),
            ConvNormAct(inner, outputs),
            ConvNormAct(outputs, outputs),
        ),
        _pooled(inputs, outputs),
    )


def _reduce_grid(inputs: int, wide: int, inner: int, outputs: int) -> Branches:
    """Return figure 10: pooling beside strided branches; `inputs + wide + outputs` channels."""
    return Branches(
        ConvNormAct(inputs, wide, 3, stride=2),
        nn.Sequential(
            ConvNormAct(inputs, inner, 1),
            ConvNormAct(inner, outputs),
            ConvNormAct(outputs, outputs, 3, stride=2),
        ),
        halve(),
    )


def _factorised(inputs: int, inner: int, outputs: int) -> Branches:
    """Return figure 6 with n = 7: 1 x n and n x 1 for n x n; 4 `outputs` channels."""
    return Branches(
        ConvNormAct(inputs, outputs, 1),
        nn.Sequential(
            ConvNormAct(inputs, inner, 1),
            ConvNormAct(inner, inner, (1, 7)),
            ConvNormAct(inner, outputs, (7, 1)),
        ),
        nn.Sequential(
            ConvNormAct(inputs, inner, 1),
            ConvNormAct(inner, inner, (7, 1)),
            ConvNormAct(inner, inner, (1, 7)),
            ConvNormAct(inner, inner, (7, 1)),
            ConvNormAct(inner, outputs, (1, 7)),
        ),
        _pooled(inputs, outputs),
    )


def _reduce_factorised(inputs: int, inner: int, outputs: int) -> Branches:
    """Return the second grid reduction; `inputs + 2 outputs` channels."""
    return Branches(
        nn.Sequential(ConvNormAct(inputs, inner, 1), ConvNormAct(inner, outputs, 3, stride=2)),
        nn.Sequential(
            ConvNormAct(inputs, inner, 1),
            ConvNormAct(inner, inner, (1, 7)),
            ConvNormAct(inner, inner, (7, 1)),
            ConvNormAct(inner, outputs, 3, stride=2),
        ),
        halve(),
    )


def _widened(inputs: int, one: int, half: int) -> Branches:
    """Return figure 7: 1 x 3 and 3 x 1 side by side; `2 one + 4 half` channels."""
    return Branches(
        ConvNormAct(inputs, one, 1),
        nn.Sequential(ConvNormAct(inputs, half, 1), _beside(half)),
        nn.Sequential(ConvNormAct(inputs, half, 1), ConvNormAct(half, half), _beside(half)),
        _pooled(inputs, one),
    )


def _beside(channels: int) -> Branches:
    return Branches(
        ConvNormAct(channels, channels, (1, 3)), ConvNormAct(channels, channels, (3, 1))
    )
