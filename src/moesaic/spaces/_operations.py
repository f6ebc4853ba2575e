"""The operations an edge of a cell may carry, as modules that keep (B, C, H, W); no graphs here."""

from __future__ import annotations

from torch import nn

from moesaic.errors import BuildError

SKIP = "skip_connect"
OPERATIONS = (
    "none",
    SKIP,
    "nor_conv_1x1",
    "nor_conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "avg_pool_3x3",
    "max_pool_3x3",
)
_KERNEL = {"nor_conv_1x1": 1, "nor_conv_3x3": 3, "sep_conv_3x3": 3, "sep_conv_5x5": 5}


def is_convolution(operation: str) -> bool:
    """Tell whether the operation has weights to learn."""
    return operation in _KERNEL


def is_spatial(operation: str) -> bool:
    """Tell whether the operation is a convolution that sees more than one pixel."""
    return _KERNEL.get(operation, 1) > 1


def is_pooling(operation: str) -> bool:
    """Tell whether the operation is a pooling."""
    return operation.endswith("_pool_3x3")


def macs_per_pixel(operation: str, channels: int) -> int:
    """Return the multiply-accumulates per pixel of an operation at this width."""
    area = _KERNEL.get(operation, 0) ** 2
    if operation.startswith("sep_conv"):
        return area * channels + channels * channels
    return area * channels * channels


def build_operation(operation: str, channels: int) -> nn.Module:
    """Return the module of an operation: (B, C, H, W) to the same shape.

    Convolutions are ReLU-convolution-BN as in NAS-Bench-201; separable ones are one depthwise
    and one pointwise convolution.

    Raises:
        BuildError: the operation is "none" or unknown.
    """
    if operation == SKIP:
        return nn.Identity()
    if operation == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    if operation == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    if operation not in _KERNEL:
        raise BuildError(f"no module for operation '{operation}', expected one of {OPERATIONS[1:]}")
    k = _KERNEL[operation]
    if operation.startswith("sep_conv"):
        convolution: list[nn.Module] = [
            nn.Conv2d(channels, channels, k, padding=k // 2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
        ]
    else:
        convolution = [nn.Conv2d(channels, channels, k, padding=k // 2, bias=False)]
    return nn.Sequential(nn.ReLU(), *convolution, nn.BatchNorm2d(channels))
