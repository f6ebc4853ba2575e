"""Normalisation as the first layer of every network; its numbers come from the training split."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moesaic.data._dataset import Split
from moesaic.errors import InputError

_CHUNK = 4096
# Below this share of its size a feature never changes: what is left is float32's rounding, and
# dividing by it would blow that up.
_CONSTANT = 1e-7


class Normaliser(nn.Module):
    """Maps inputs to mean 0 and standard deviation 1 over the split it was fitted on.

    Attributes:
        mean: buffer, (C, 1, 1) for images or (D,) for vectors, in the units of the inputs.
        std: buffer of the same shape; 1 where the inputs never change.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("std", std.to(torch.float32))

    @classmethod
    def fit(cls, split: Split) -> Normaliser:
        """Measure a split, per channel (images) or per feature (vectors).

        Raises:
            InputError: the split is empty.
        """
        inputs = split.inputs
        if len(inputs) == 0:
            raise InputError("an empty split cannot be normalised: give it samples")
        over = (0, 2, 3) if inputs.dim() == 4 else (0,)
        count = inputs.numel() // inputs.shape[1]
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(inputs), _CHUNK)]
        # Two passes in chunks: exact for large offsets, and no float copy of all images.
        total = torch.zeros(1, dtype=torch.float64)
        for chunk in chunks:
            total = total + inputs[chunk].double().sum(dim=over, keepdim=True)
        mean = total / count
        squares = torch.zeros(1, dtype=torch.float64)
        for chunk in chunks:
            squares = squares + (inputs[chunk].double() - mean).square().sum(dim=over, keepdim=True)
        std = (squares / count).sqrt()
        least = (_CONSTANT * mean.abs()).clamp(min=torch.finfo(torch.float32).tiny)
        std = torch.where(std > least, std, torch.ones_like(std))
        return cls(mean[0], std[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (B, ...) for uint8 or float inputs (B, ...) in the units of the split."""
        return ((x - self.mean) / self.std).to(torch.float32)
