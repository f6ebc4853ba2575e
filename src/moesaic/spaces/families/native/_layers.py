"""Layers that several families share: convolution with norm, gate of channels, head."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[], nn.Module]


def convolution(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    dilation: int = 1,
    activation: Activation | None = nn.ReLU,
) -> nn.Sequential:
    """Return convolution, batch normalisation and activation: H becomes ceil(H / stride).

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: its side, odd.
        stride: of the convolution.
        groups: of channels; as many as there are channels makes it depthwise.
        dilation: spacing of the kernel's points.
        activation: makes the last layer; None leaves it out, the layer is linear.
    """
    padding = dilation * (kernel // 2)
    layers: list[nn.Module] = [
        nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=padding,
            groups=groups,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(outputs),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


class SqueezeExcite(nn.Module):
    """Gate every channel by what all of them are on average (Hu et al. 2018, arXiv:1709.01507)."""

    def __init__(
        self,
        channels: int,
        reduced: int,
        activation: Activation = nn.ReLU,
        gate: Activation = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, reduced, 1),
            activation(),
            nn.Conv2d(reduced, channels, 1),
            gate(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        out: Tensor = x * self.gate(x.mean(dim=(2, 3), keepdim=True))
        return out


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every pixel of an image."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Patches(nn.Conv2d):
    """Map every patch of `size` x `size` pixels to one pixel; the last ones are filled with 0."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__(inputs, outputs, size, stride=size)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / size), ceil(W / size))."""
        height, width = x.shape[-2:]
        if height % self.size or width % self.size:
            x = F.pad(x, (0, -width % self.size, 0, -height % self.size))
        return super().forward(x)


class PooledClassifier(nn.Module):
    """Feature map, its average over the image, a linear head."""

    def __init__(self, features: nn.Module, width: int, classes: int) -> None:
        """Build the classifier.

        Args:
            features: maps (B, C, H, W) to (B, width, h, w).
            width: its channels.
            classes: number of logits.
        """
        super().__init__()
        self.features = features
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to logits (B, classes)."""
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits


def resize_to(x: Tensor, reference: Tensor, mode: str = "nearest") -> Tensor:
    """Return `x` (B, C, h, w) at the height and width of `reference`."""
    return F.interpolate(x, size=reference.shape[-2:], mode=mode)
