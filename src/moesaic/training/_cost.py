"""What a network costs: multiply-accumulates and parameters; it does not measure time or memory."""

from __future__ import annotations

import torch
from torch import nn
from torch.backends import mha
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_macs(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the multiply-accumulates of one sample in convolutions and matrix products.

    These are convolutions, linear layers and the two products of attention, between every query
    and every key, masked or not. Bias, normalisation, activation and pooling are not counted; a
    layer that runs twice counts twice, one that is skipped counts nothing.

    One forward pass of zeros in evaluation mode, on the device of the model (a model on the
    `meta` device costs no arithmetic). Training flags are left as they were.

    Args:
        model: maps (B, *input_shape) float to anything.
        input_shape: shape of one sample, without the batch.
    """
    training = [(module, module.training) for module in model.modules()]
    reference = next(model.parameters(), torch.empty(0))
    sample = torch.zeros((1, *input_shape), device=reference.device, dtype=reference.dtype)
    counter = FlopCounterMode(display=False)
    fast_path = mha.get_fastpath_enabled()
    try:
        model.eval()
        # The counter knows no attention that is fused for the CPU, only what it is made of.
        mha.set_fastpath_enabled(False)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(sample)
    finally:
        mha.set_fastpath_enabled(fast_path)
        for module, flag in training:
            module.training = flag
    # an operation of floating point is half a multiply-accumulate
    return int(counter.get_total_flops()) // 2


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable numbers in the model, shared ones counted once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
