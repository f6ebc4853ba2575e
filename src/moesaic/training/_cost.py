"""What a network costs: multiply-accumulates and parameters; it does not measure time or memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def count_macs(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the multiply-accumulates of one sample in convolutions and linear layers.

    One forward pass of zeros in evaluation mode, on the device of the model (a model on the
    `meta` device costs no arithmetic). Bias, normalisation, activation and pooling are not
    counted; a layer that runs twice counts twice, one that is skipped counts nothing. Training
    flags are left as they were.

    Args:
        model: maps (B, *input_shape) float to anything.
        input_shape: shape of one sample, without the batch.
    """
    total = 0

    def add(module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, _CONVOLUTIONS):
            # weight is (out, in / groups, *kernel): its size over `out` is the work per output.
            total += output.numel() * (module.weight.numel() // module.out_channels)

    counted = [m for m in model.modules() if isinstance(m, (nn.Linear, *_CONVOLUTIONS))]
    handles: list[RemovableHandle] = [module.register_forward_hook(add) for module in counted]
    training = [(module, module.training) for module in model.modules()]
    reference = next(model.parameters(), torch.empty(0))
    sample = torch.zeros((1, *input_shape), device=reference.device, dtype=reference.dtype)
    try:
        model.eval()
        with torch.no_grad():
            model(sample)
    finally:
        for handle in handles:
            handle.remove()
        for module, flag in training:
            module.training = flag
    return total


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable numbers in the model, shared ones counted once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
