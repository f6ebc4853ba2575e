"""Attention between the pixels of a feature map, all of them or those of one window."""

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


class Windows:
    """Cuts a map into windows of side `side` and puts it together again; it has no weights.

    A map that windows do not fill is filled up with zeros at its right and lower edge. It is
    turned by `shift` pixels first. As a grid, a window's pixels are spread evenly over the map
    instead of lying side by side.
    """

    def __init__(
        self, height: int, width: int, side: int, *, shift: int = 0, grid: bool = False
    ) -> None:
        self.size = (height, width)
        self.side = side
        self.shift = shift
        self.grid = grid
        self.rows, self.columns = -(-height // side), -(-width // side)

    @property
    def groups(self) -> int:
        """How many windows there are."""
        return self.rows * self.columns

    def cut(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to windows (B, G, side * side, C)."""
        height, width = self.size
        down, right = self.rows * self.side - height, self.columns * self.side - width
        if down or right:
            x = F.pad(x, (0, 0, 0, right, 0, down))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        if self.grid:
            x = _fold(x, (self.side, self.rows), (self.side, self.columns))
            x = x.permute(0, 2, 4, 1, 3, 5)
        else:
            x = _fold(x, (self.rows, self.side), (self.columns, self.side))
            x = x.permute(0, 1, 3, 2, 4, 5)
        return x.flatten(3, 4).flatten(1, 2)

    def join(self, x: Tensor) -> Tensor:
        """Map windows (B, G, side * side, C) to (B, H, W, C): the inverse of `cut`."""
        x = _fold(x, (self.rows, self.columns), (self.side, self.side))
        order = (0, 3, 1, 4, 2, 5) if self.grid else (0, 1, 3, 2, 4, 5)
        x = x.permute(order).flatten(3, 4).flatten(1, 2)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        height, width = self.size
        return x[:, :height, :width]

    def apart(self) -> Tensor:
        """Return (G, 1, T, T): -inf between pixels that must not see each other, else 0.

        Those are pixels that only turning the map brought into one window, and the filling.
        """
        height, width = self.size
        down, across = self.rows * self.side, self.columns * self.side
        row = torch.arange(down).reshape(1, down, 1, 1)
        column = torch.arange(across).reshape(1, 1, across, 1)
        filling = (row >= height) | (column >= width)
        # the first rows and columns are those that turning the map brings to its other end
        region = 4 * filling + 2 * (row < self.shift) + 1 * (column < self.shift)
        whole = Windows(down, across, self.side, shift=self.shift, grid=self.grid)
        labels = whole.cut(region)[0, :, :, 0]  # (G, T)
        differs = labels.unsqueeze(1) != labels.unsqueeze(2)
        return torch.zeros(differs.shape).masked_fill(differs, -torch.inf).unsqueeze(1)


def _fold(x: Tensor, first: tuple[int, int], second: tuple[int, int]) -> Tensor:
    """Return `x` with its dimensions 1 and 2 cut into two each."""
    return torch.unflatten(torch.unflatten(x, 2, second), 1, first)


class WindowAttention(nn.Module):
    """Attention within windows, with a learned bias for every offset between two pixels.

    Liu et al. 2021, arXiv:2103.14030, for windows and shifted windows; Tu et al. 2022,
    arXiv:2204.01697, for grids.
    """

    apart: Tensor
    offsets: Tensor

    def __init__(self, width: int, heads: int, windows: Windows) -> None:
        """Build the layer.

        Args:
            width: channels, a multiple of `heads`.
            heads: attentions side by side.
            windows: of the map it is used on.
        """
        super().__init__()
        self.windows = windows
        self.attention = SelfAttention(width, heads)
        side = windows.side
        self.relative = nn.Parameter(torch.empty((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative, std=0.02)
        self.register_buffer("apart", windows.apart())
        self.register_buffer("offsets", _offsets(side))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, width) to the same shape."""
        bias = self.relative[self.offsets].permute(2, 0, 1) + self.apart
        return self.windows.join(self.attention(self.windows.cut(x), bias))


def _offsets(side: int) -> Tensor:
    """Return (T, T): the number of the offset between two pixels of a window, row by row."""
    place = torch.arange(side * side)
    row, column = place // side, place % side
    down = row.unsqueeze(1) - row.unsqueeze(0) + side - 1
    right = column.unsqueeze(1) - column.unsqueeze(0) + side - 1
    return down * (2 * side - 1) + right
