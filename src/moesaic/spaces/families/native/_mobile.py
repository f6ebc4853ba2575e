"""Families of inverted residuals: MobileNetV2, MobileNetV3, MNASNet, EfficientNet."""

from __future__ import annotations

from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import (
    Activation,
    PooledClassifier,
    SqueezeExcite,
    convolution,
)


class InvertedResidual(nn.Module):
    """Widen by a 1x1, filter depthwise, narrow by a 1x1 without activation (Sandler et al. 2018).

    The shortcut joins the narrow ends where they have the same shape.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        activation: Activation = nn.ReLU6,
        squeeze: nn.Module | None = None,
    ) -> None:
        """Build the block.

        Args:
            inputs: channels in.
            hidden: channels of the depthwise filter; with as many as `inputs` nothing is widened.
            outputs: channels out.
            kernel: side of the depthwise filter.
            stride: of the depthwise filter.
            activation: makes the activation after the first two layers.
            squeeze: stands between the depthwise filter and the linear end.
        """
        super().__init__()
        self.joins = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if hidden != inputs:
            layers.append(convolution(inputs, hidden, 1, activation=activation))
        layers.append(
            convolution(hidden, hidden, kernel, stride, groups=hidden, activation=activation)
        )
        if squeeze is not None:
            layers.append(squeeze)
        layers.append(convolution(hidden, outputs, 1, activation=None))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.body(x)
        return x + out if self.joins else out


def _stages(
    rows: tuple[tuple[int, int, int, int, int], ...],
    inputs: int,
    activation: Activation,
    squeeze_ratio: int = 0,
) -> list[nn.Module]:
    """Return the blocks of a table of (expansion, kernel, channels, repeats, stride).

    Where `squeeze_ratio` is given, every block has a gate that narrows to its inputs over it.
    """
    blocks: list[nn.Module] = []
    for expansion, kernel, outputs, repeats, stride in rows:
        for i in range(repeats):
            hidden = expansion * inputs
            squeeze = None
            if squeeze_ratio:
                squeeze = SqueezeExcite(hidden, max(1, inputs // squeeze_ratio), activation)
            blocks.append(
                InvertedResidual(
                    inputs,
                    hidden,
                    outputs,
                    kernel,
                    stride if i == 0 else 1,
                    activation=activation,
                    squeeze=squeeze,
                )
            )
            inputs = outputs
    return blocks


@family("MobileNetV2", provenance="Sandler et al. 2018, arXiv:1801.04381")
def mobilenet_v2(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return inverted residuals with linear bottlenecks, expansion 6 and ReLU6."""
    rows = (
        (1, 3, 12, 1, 1),
        (6, 3, 16, 2, 2),
        (6, 3, 24, 3, 1),
        (6, 3, 48, 3, 2),
        (6, 3, 64, 1, 1),
    )
    layers = [
        convolution(input_shape[0], 16, 3, 2, activation=nn.ReLU6),
        *_stages(rows, 16, nn.ReLU6),
        convolution(64, 320, 1, activation=nn.ReLU6),
    ]
    return PooledClassifier(nn.Sequential(*layers), 320, classes)


@family("MobileNetV3", provenance="Howard et al. 2019, arXiv:1905.02244")
def mobilenet_v3(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return inverted residuals, the later ones with hard-swish, most with squeeze-and-excite."""
    rows = (  # kernel, hidden, outputs, squeeze, hard-swish, stride, as in the small network
        (3, 16, 16, True, False, 1),
        (3, 64, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 32, True, True, 1),
        (5, 128, 32, True, True, 1),
        (5, 96, 40, True, True, 1),
        (5, 120, 40, True, True, 1),
        (5, 192, 64, True, True, 2),
        (5, 256, 64, True, True, 1),
    )
    layers: list[nn.Module] = [convolution(input_shape[0], 16, 3, 2, activation=nn.Hardswish)]
    inputs = 16
    for kernel, hidden, outputs, squeezes, hard, stride in rows:
        squeeze = SqueezeExcite(hidden, hidden // 4, gate=nn.Hardsigmoid) if squeezes else None
        activation: Activation = nn.Hardswish if hard else nn.ReLU
        layers.append(
            InvertedResidual(
                inputs, hidden, outputs, kernel, stride, activation=activation, squeeze=squeeze
            )
        )
        inputs = outputs
    layers.append(convolution(inputs, 320, 1, activation=nn.Hardswish))
    # The published head widens after the average, where a pixel costs nothing.
    layers += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(320, 384, 1), nn.Hardswish()]
    return PooledClassifier(nn.Sequential(*layers), 384, classes)


@family("MNASNet", provenance="Tan et al. 2019, arXiv:1807.11626 (MnasNet-B1)")
def mnasnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return inverted residuals with 3x3 and 5x5 filters, expansion 3 and 6, and ReLU."""
    rows = (
        (1, 3, 12, 1, 1),
        (3, 3, 20, 3, 2),
        (3, 5, 32, 3, 1),
        (6, 5, 48, 2, 2),
        (6, 3, 56, 2, 1),
        (6, 5, 64, 2, 1),
        (6, 3, 96, 1, 1),
    )
    layers = [
        convolution(input_shape[0], 16, 3, 2),
        *_stages(rows, 16, nn.ReLU),
        convolution(96, 320, 1),
    ]
    return PooledClassifier(nn.Sequential(*layers), 320, classes)


@family("EfficientNet", provenance="Tan and Le 2019, arXiv:1905.11946 (EfficientNet-B0)")
def efficientnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return inverted residuals, each with squeeze-and-excite, and SiLU throughout."""
    rows = (
        (1, 3, 12, 1, 1),
        (6, 3, 16, 2, 2),
        (6, 5, 24, 2, 1),
        (6, 3, 40, 3, 2),
        (6, 5, 48, 2, 1),
        (6, 5, 64, 2, 1),
        (6, 3, 80, 1, 1),
    )
    layers = [
        convolution(input_shape[0], 16, 3, 2, activation=nn.SiLU),
        *_stages(rows, 16, nn.SiLU, squeeze_ratio=4),
        convolution(80, 320, 1, activation=nn.SiLU),
    ]
    return PooledClassifier(nn.Sequential(*layers), 320, classes)
