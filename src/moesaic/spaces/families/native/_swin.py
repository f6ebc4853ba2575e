"""Swin transformer: attention within windows that are shifted in every other block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._layers import Patches
from moesaic.spaces.families.native._windows import WindowBlock, Windows

_WINDOW = 4
_HEAD = 12  # channels of a head


class PatchMerging(nn.Module):
    """Join every 2 x 2 pixels into one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduce = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, width) to (B, ceil(H / 2), ceil(W / 2), 2 * width)."""
        height, width = x.shape[1:3]
        quads = Windows(height, width, 2)
        merged = torch.unflatten(quads.cut(x).flatten(2), 1, (quads.rows, quads.columns))
        out: Tensor = self.reduce(self.norm(merged))
        return out


class SwinTransformer(nn.Module):
    """Patches, stages of pairs of blocks (straight, shifted) with merging, average, linear head."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        *,
        patch: int,
        width: int,
        depths: tuple[int, ...],
    ) -> None:
        """Build the network.

        Args:
            input_shape: (C, H, W).
            classes: number of logits.
            patch: side of a patch in pixels.
            width: channels of the first stage; every further one has twice as many.
            depths: number of blocks of every stage.
        """
        super().__init__()
        rows, columns = (-(-side // patch) for side in input_shape[1:])
        self.patches = Patches(input_shape[0], width, patch)
        layers: list[nn.Module] = [nn.LayerNorm(width)]
        for stage, depth in enumerate(depths):
            if stage > 0:
                layers.append(PatchMerging(width))
                rows, columns, width = -(-rows // 2), -(-columns // 2), 2 * width
            # a map that is one window has nothing to shift
            side = min(_WINDOW, max(rows, columns))
            shift = side // 2 if max(rows, columns) > side else 0
            layers += [
                WindowBlock(
                    width, width // _HEAD, Windows(rows, columns, side, shift=shift * (i % 2))
                )
                for i in range(depth)
            ]
        self.stages = nn.Sequential(*layers)
        self.last = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to logits (B, classes)."""
        pixels = self.stages(self.patches(x).permute(0, 2, 3, 1))
        logits: Tensor = self.classifier(self.last(pixels).mean(dim=(1, 2)))
        return logits


@family("SwinTransformer", provenance="Liu et al. 2021, arXiv:2103.14030")
def swin_transformer(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a transformer on patches of 2 x 2 pixels with windows of 4 x 4 patches."""
    return SwinTransformer(input_shape, classes, patch=2, width=24, depths=(2, 2, 2))
