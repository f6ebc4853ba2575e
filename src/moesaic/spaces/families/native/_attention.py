"""Attention of tokens to each other, and the perceptron that follows it; no windows here."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head attention of tokens to each other (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, width: int, heads: int) -> None:
        """Build the layer.

        Args:
            width: of a token, a multiple of `heads`.
            heads: attentions side by side.
        """
        super().__init__()
        self.heads = heads
        self.mix = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Map tokens (B, G, T, width), which attend to those of their own group, to the same shape.

        Args:
            x: B samples of G groups of T tokens.
            bias: added to the logits of the attention, (G, heads, T, T).
        """
        groups = x.shape[1]
        parts = torch.unflatten(self.mix(x), 3, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        query, key, value = parts.flatten(2, 3).unbind(0)  # (B, G * heads, T, width / heads)
        mask = None if bias is None else bias.flatten(0, 1).unsqueeze(0)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        back = torch.unflatten(seen, 1, (groups, self.heads)).transpose(2, 3).flatten(3)
        out: Tensor = self.project(back)
        return out


class Perceptron(nn.Sequential):
    """Two affine maps with GELU between them, on every token: (..., width) to the same shape."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__(
            nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )
