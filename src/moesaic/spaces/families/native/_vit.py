"""Vision transformer: patches of the image and a class token attend to each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.spaces.families._registry import family
from moesaic.spaces.families.native._attention import Perceptron, SelfAttention
from moesaic.spaces.families.native._layers import Patches


class TransformerBlock(nn.Module):
    """Attention, then a perceptron on every token, each after a norm and with a shortcut."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.between = nn.LayerNorm(width)
        self.perceptron = Perceptron(width, expansion)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, width) to the same shape."""
        x = x + self.attention(self.before(x).unsqueeze(1)).squeeze(1)
        out: Tensor = x + self.perceptron(self.between(x))
        return out


class VisionTransformer(nn.Module):
    """Patches to tokens, a class token before them, learned positions, blocks, a linear head."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        *,
        patch: int,
        width: int,
        heads: int,
        depth: int,
        expansion: int,
    ) -> None:
        """Build the network.

        Args:
            input_shape: (C, H, W).
            classes: number of logits.
            patch: side of a patch in pixels.
            width: of a token.
            heads: of every attention.
            depth: number of blocks.
            expansion: width of the perceptrons over that of a token.
        """
        super().__init__()
        channels, rows, columns = input_shape
        tokens = -(-rows // patch) * -(-columns // patch)
        self.patches = Patches(channels, width, patch)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.position = nn.Parameter(torch.empty(1, tokens + 1, width))
        nn.init.trunc_normal_(self.token, std=0.02)
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, heads, expansion) for _ in range(depth))
        )
        self.last = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    def tokens(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to what enters the blocks: (B, 1 + patches, width)."""
        patches = self.patches(x).flatten(2).transpose(1, 2)
        token = self.token.expand(x.shape[0], -1, -1)
        return torch.cat([token, patches], dim=1) + self.position

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, C, H, W) to logits (B, classes)."""
        logits: Tensor = self.classifier(self.last(self.blocks(self.tokens(x))[:, 0]))
        return logits


@family("VisionTransformer", provenance="Dosovitskiy et al. 2021, arXiv:2010.11929")
def vision_transformer(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a transformer on patches of 4 x 4 pixels: 65 tokens for an image of 32 x 32."""
    return VisionTransformer(input_shape, classes, patch=4, width=64, heads=4, depth=4, expansion=2)
