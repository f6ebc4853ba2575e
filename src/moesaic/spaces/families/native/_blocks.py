"""Small blocks that several native families share; it registers no family."""

from __future__ import annotations

from torch import Tensor, nn


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm, ReLU; the padding keeps the size, or halves it at stride 2."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: nn.Module | None = None,
    ) -> None:
        """Build the block.

        Args:
            inputs: channels.
            outputs: channels.
            kernel: odd height and width.
            stride: 1 or 2; a side of n becomes ceil(n / stride).
            groups: of the convolution; divides both channels.
            activation: what follows the norm; ReLU when not given.
        """
        super().__init__(
            conv(inputs, outputs, kernel, stride=stride, groups=groups),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True) if activation is None else activation,
        )


class NormActConv(nn.Sequential):
    """Batch norm, ReLU, convolution: the order of pre-activation networks."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, groups: int = 1
    ) -> None:
        """Build the block; arguments as of `ConvNormAct`."""
        super().__init__(
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            conv(inputs, outputs, kernel, stride=stride, groups=groups),
        )


class Head(nn.Module):
    """Global average and a linear classifier."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to logits (B, classes)."""
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


def conv(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int] = 3,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Return a convolution without bias, padded so that the size is kept at stride 1.

    He initialisation (He et al. 2015, arXiv:1502.01852), by outputs, for a ReLU behind it.
    """
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    made = nn.Conv2d(
        inputs,
        outputs,
        sides,
        stride=stride,
        padding=(sides[0] // 2, sides[1] // 2),
        groups=groups,
        bias=False,
    )
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return made


def halve() -> nn.MaxPool2d:
    """Return a 3 x 3 max pooling of stride 2 that makes ceil(n / 2) of a side of n."""
    return nn.MaxPool2d(3, stride=2, padding=1)
