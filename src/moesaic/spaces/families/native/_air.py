"""AirNet and AirNeXt: residual bottlenecks whose 3 x 3 output is gated by an attention branch."""

from __future__ import annotations

from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._blocks import ConvNormAct, Head, conv, halve

_PAPER = "Yang et al. 2018, IEEE TNNLS, doi:10.1109/TNNLS.2018.2873722"
_STAGES = ((32, 1), (64, 2), (128, 2))


class AirAttention(nn.Module):
    """A gate in 0 .. 1 for every place and channel, read at half the resolution.

    1 x 1 to fewer channels, max pooling of stride 2, 3 x 3, back to full size, 1 x 1, sigmoid.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            ConvNormAct(inputs, inner, 1), halve(), ConvNormAct(inner, inner, 3, groups=groups)
        )
        self.up = nn.Sequential(conv(inner, outputs, 1), nn.BatchNorm2d(outputs), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        small = self.down(x)
        large = nn.functional.interpolate(
            small, size=x.shape[2:], mode="bilinear", align_corners=True
        )
        gate: Tensor = self.up(large)
        return gate


class AirBlock(nn.Module):
    """A residual bottleneck whose 3 x 3 output is multiplied by the gate, unless it strides."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        """Build the block.

        Args:
            inputs: channels.
            outputs: channels; the bottleneck has half of them.
            stride: of the 3 x 3 convolution and the shortcut; at 1 there is an attention branch.
            groups: of the 3 x 3 convolutions: 1 in AirNet, more in AirNeXt.
        """
        super().__init__()
        inner = outputs // 2
        self.reduce = ConvNormAct(inputs, inner, 1)
        self.middle = ConvNormAct(inner, inner, 3, stride=stride, groups=groups)
        self.attention = AirAttention(inputs, inner // 2, inner, groups) if stride == 1 else None
        self.expand = nn.Sequential(conv(inner, outputs, 1), nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                conv(inputs, outputs, 1, stride=stride), nn.BatchNorm2d(outputs)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        middle = self.middle(self.reduce(x))
        if self.attention is not None:
            middle = middle * self.attention(x)
        out: Tensor = self.activation(self.expand(middle) + self.shortcut(x))
        return out


@family("AirNet", provenance=_PAPER)
def airnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return three stages, in each a block that sets the size and one that attends."""
    return _network(input_shape[0], classes, 1)


@family("AirNext", provenance=f"{_PAPER}, with the groups of Xie et al. 2016, arXiv:1611.05431")
def airnext(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return AirNet with grouped 3 x 3 convolutions."""
    return _network(input_shape[0], classes, 4)


def _network(channels: int, classes: int, groups: int) -> nn.Module:
    layers: list[nn.Module] = [
        ConvNormAct(channels, 16, stride=2),
        ConvNormAct(16, 16),
        ConvNormAct(16, 16),
    ]
    before = 16
    for width, stride in _STAGES:
        layers.append(AirBlock(before, width, stride, groups))
        layers.append(AirBlock(width, width, 1, groups))
        before = width
    return nn.Sequential(*layers, Head(before, classes))
