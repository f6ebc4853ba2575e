"""Families that are a chain of convolutions and poolings: AlexNet, VGG, DarkNet."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import ConvNormAct, conv, halve

_VGG_STAGES = ((16,), (32,), (64, 64), (128, 128))
# In a stage of DarkNet-19, 3 x 3 convolutions alternate with 1 x 1 ones of half the channels.
_DARKNET_STAGES = ((16, 1), (32, 1), (64, 3), (128, 3))


@family(
    "AlexNet",
    provenance="Krizhevsky, Sutskever, Hinton 2012, NeurIPS; batch norm, no dropout",
)
def alexnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return five convolutions, large kernels first, overlapping pooling, three linear layers."""
    return nn.Sequential(
        ConvNormAct(input_shape[0], 32, 7, stride=2),
        halve(),
        ConvNormAct(32, 64, 5),
        halve(),
        ConvNormAct(64, 96),
        ConvNormAct(96, 96),
        ConvNormAct(96, 64),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        *_linear(4 * 64, 128),
        *_linear(128, 128),
        nn.Linear(128, classes),
    )


@family(
    "VGG",
    provenance="Simonyan, Zisserman 2014, arXiv:1409.1556; batch norm, no dropout",
)
def vgg(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return stacks of 3 x 3 convolutions with 2 x 2 max pooling between, then linear layers."""
    layers: list[nn.Module] = []
    before = input_shape[0]
    for widths in _VGG_STAGES:
        for width in widths:
            layers.append(ConvNormAct(before, width))
            before = width
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        *_linear(before, before),
        *_linear(before, before),
        nn.Linear(before, classes),
    )


@family(
    "DarkNet",
    provenance="Redmon, Farhadi 2016, arXiv:1612.08242 (Darknet-19)",
)
def darknet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return 3 x 3 and 1 x 1 convolutions in turn, leaky ReLU; the classifier is convolutional."""
    layers: list[nn.Module] = []
    before = input_shape[0]
    for width, depth in _DARKNET_STAGES:
        if layers:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        for place in range(depth):
            squeezes = place % 2 == 1
            after = width // 2 if squeezes else width
            leaky = nn.LeakyReLU(0.1, inplace=True)
            layers.append(ConvNormAct(before, after, 1 if squeezes else 3, activation=leaky))
            before = after
    return nn.Sequential(*layers, conv(before, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _linear(inputs: int, outputs: int) -> Iterator[nn.Module]:
    """Yield a linear layer, batch norm and ReLU."""
    yield nn.Linear(inputs, outputs, bias=False)
    yield nn.BatchNorm1d(outputs)
    yield nn.ReLU(inplace=True)
