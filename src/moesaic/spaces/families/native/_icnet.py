"""ICNet: the image at three resolutions, the smallest through the deepest branch, fused upwards."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import PooledClassifier, convolution, resize_to


class CascadeFusion(nn.Module):
    """Bring a coarse map to the size of a fine one by interpolation and a dilated 3x3, and add."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.coarse = convolution(coarse, outputs, 3, dilation=2, activation=None)
        self.fine = convolution(fine, outputs, 1, activation=None)
        self.activation = nn.ReLU()

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Map (B, coarse, h, w) and (B, fine, H, W) to (B, outputs, H, W)."""
        grown = self.coarse(resize_to(coarse, fine, "bilinear"))
        out: Tensor = self.activation(grown + self.fine(fine))
        return out


class PyramidPooling(nn.Module):
    """Add to a map its averages over 1, 2 x 2 and 3 x 3 fields of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        out = x
        for fields in (1, 2, 3):
            out = out + resize_to(F.adaptive_avg_pool2d(x, fields), x, "bilinear")
        return out


class _Bottleneck(nn.Module):
    """A residual bottleneck, dilated as those of the deep branch are."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        middle = outputs // 2
        self.body = nn.Sequential(
            convolution(inputs, middle, 1),
            convolution(middle, middle, 3, dilation=dilation),
            convolution(middle, outputs, 1, activation=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = convolution(inputs, outputs, 1, activation=None)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        out: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


class ImageCascade(nn.Module):
    """Three branches: light on the full image, deeper on its half, deepest on its quarter.

    The two deeper ones share their first layers. There is one branch output, the finest: the
    published side losses on the coarser ones have no place in a classifier's forward pass.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.full = nn.Sequential(
            convolution(channels, half, 3, 2),
            convolution(half, half),
            convolution(half, width),
        )
        self.shared = nn.Sequential(
            convolution(channels, width, 3, 2),
            _Bottleneck(width, 2 * width, 1),
            _Bottleneck(2 * width, 2 * width, 1),
        )
        self.deep = nn.Sequential(
            _Bottleneck(2 * width, 4 * width, 1),
            *(_Bottleneck(4 * width, 4 * width, 2) for _ in range(3)),
            PyramidPooling(),
            convolution(4 * width, 2 * width, 1),
        )
        self.halves = CascadeFusion(2 * width, 2 * width, 2 * width)
        self.fulls = CascadeFusion(2 * width, width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to (B, 2 * width, ceil(H / 2), ceil(W / 2))."""
        half = F.avg_pool2d(x, 2, ceil_mode=True)
        quarter = F.avg_pool2d(half, 2, ceil_mode=True)
        fused = self.halves(self.deep(self.shared(quarter)), self.shared(half))
        out: Tensor = self.fulls(fused, self.full(x))
        return out


@family("ICNet", provenance="Zhao et al. 2018, arXiv:1704.08545")
def icnet(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the cascade with an average over its finest map and a linear head."""
    return PooledClassifier(ImageCascade(input_shape[0], 24), 48, classes)
