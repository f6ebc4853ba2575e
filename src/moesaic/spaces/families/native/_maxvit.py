"""MaxViT: an inverted residual, attention within blocks, attention on a grid, in every block."""

from __future__ import annotations

from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import PooledClassifier, SqueezeExcite, convolution
from moesaic.spaces.families.native._windows import WindowBlock, Windows

_WINDOW = 4
_HEAD = 16  # channels of a head


class _Convolutions(nn.Module):
    """The MBConv of MaxViT: norm first, squeeze-and-excite, GELU; the shortcut is pooled."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        hidden = 4 * inputs
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            convolution(inputs, hidden, 1, activation=nn.GELU),
            convolution(hidden, hidden, 3, stride, groups=hidden, activation=nn.GELU),
            SqueezeExcite(hidden, inputs, nn.SiLU),
            nn.Conv2d(hidden, outputs, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True), nn.Conv2d(inputs, outputs, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.shortcut(x) + self.body(x)
        return out


class MaxVitBlock(nn.Module):
    """Convolutions, attention to the pixels of a block, attention to a grid over all the map."""

    def __init__(self, inputs: int, outputs: int, stride: int, height: int, width: int) -> None:
        """Build the block.

        Args:
            inputs: channels in.
            outputs: channels out.
            stride: of its convolutions.
            height: of the map that comes out.
            width: of the map that comes out.
        """
        super().__init__()
        self.convolutions = _Convolutions(inputs, outputs, stride)
        side = min(_WINDOW, max(height, width))
        heads = outputs // _HEAD
        self.block = WindowBlock(outputs, heads, Windows(height, width, side))
        self.grid = WindowBlock(outputs, heads, Windows(height, width, side, grid=True))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        pixels = self.convolutions(x).permute(0, 2, 3, 1)
        out: Tensor = self.grid(self.block(pixels)).permute(0, 3, 1, 2)
        return out


@family("MaxVit", provenance="Tu et al. 2022, arXiv:2204.01697")
def maxvit(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a stem of two convolutions and two stages of one block, at a quarter, an eighth."""
    height, width = (-(-side // 2) for side in input_shape[1:])
    layers: list[nn.Module] = [
        convolution(input_shape[0], 16, 3, 2, activation=nn.GELU),
        nn.Conv2d(16, 16, 3, padding=1),
    ]
    inputs = 16
    for outputs in (48, 96):
        height, width = -(-height // 2), -(-width // 2)
        layers.append(MaxVitBlock(inputs, outputs, 2, height, width))
        inputs = outputs
    return PooledClassifier(nn.Sequential(*layers), inputs, classes)
