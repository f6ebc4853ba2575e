"""Attention between the pixels of one window of a feature map: cutting, masks, a whole block."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moesaic.spaces.families.native._attention import Perceptron, SelfAttention


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


class WindowBlock(nn.Module):
    """Attention within windows, then a perceptron, each after a norm and with a shortcut."""

    def __init__(self, width: int, heads: int, windows: Windows) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, windows)
        self.between = nn.LayerNorm(width)
        self.perceptron = Perceptron(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, width) to the same shape."""
        x = x + self.attention(self.before(x))
        out: Tensor = x + self.perceptron(self.between(x))
        return out
