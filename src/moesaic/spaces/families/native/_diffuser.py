"""Diffuser: the U-shaped residual network of denoising diffusion, as a classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._attention import SelfAttention
from moesaic.spaces.families.native._layers import PooledClassifier, resize_to

_GROUP = 8  # channels that are normalised together


class ResidualBlock(nn.Module):
    """Twice group norm, SiLU, 3x3; there is no time of a diffusion to be told here."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(inputs // _GROUP, inputs),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(outputs // _GROUP, outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        out: Tensor = self.shortcut(x) + self.body(x)
        return out


class MapAttention(nn.Module):
    """Group norm, attention of all pixels to each other, shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(width // _GROUP, width)
        self.attention = SelfAttention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        pixels = self.norm(x).permute(0, 2, 3, 1)
        tokens = self.attention(pixels.flatten(1, 2).unsqueeze(1)).squeeze(1)
        out: Tensor = x + torch.unflatten(tokens, 1, tuple(x.shape[-2:])).permute(0, 3, 1, 2)
        return out


class DenoisingUNet(nn.Module):
    """Down through residual blocks, attention at the lowest resolution, up with the maps passed.

    Every level going up starts from its own map of the way down beside what comes from below.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], heads: int) -> None:
        """Build the network.

        Args:
            channels: of the image.
            widths: channels, one a level from the top; multiples of 8.
            heads: of the attention at the lowest level.
        """
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList()
        self.shrink = nn.ModuleList()
        inputs = widths[0]
        for width in widths[:-1]:
            self.down.append(ResidualBlock(inputs, width))
            self.shrink.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
            inputs = width
        lowest = widths[-1]
        self.middle = nn.Sequential(
            ResidualBlock(inputs, lowest),
            MapAttention(lowest, heads),
            ResidualBlock(lowest, lowest),
        )
        self.up = nn.ModuleList()
        self.grow = nn.ModuleList()
        inputs = lowest
        for width in reversed(widths[:-1]):
            self.grow.append(nn.Conv2d(inputs, width, 3, padding=1))
            self.up.append(ResidualBlock(2 * width, width))
            inputs = width
        self.norm = nn.GroupNorm(inputs // _GROUP, inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to (B, widths[0], ceil(H / 2), ceil(W / 2))."""
        x = self.stem(x)
        passed: list[Tensor] = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            passed.append(block(x))
            x = shrink(passed[-1])
        x = self.middle(x)
        for block, grow in zip(self.up, self.grow, strict=True):
            beside = passed.pop()
            x = block(torch.cat([grow(resize_to(x, beside)), beside], dim=1))
        return F.silu(self.norm(x))


@family("Diffuser", provenance="Ho et al. 2020, arXiv:2006.11239")
def diffuser(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the network; its last map is widened and shrunk before the average and the head.

    Averages of its 16 channels alone would be too few numbers to tell many classes apart.
    """
    network = DenoisingUNet(input_shape[0], (16, 32, 64), 4)
    widen = nn.Conv2d(16, 96, 3, stride=2, padding=1)
    head = nn.Sequential(network, widen, nn.GroupNorm(96 // _GROUP, 96), nn.SiLU())
    return PooledClassifier(head, 96, classes)
