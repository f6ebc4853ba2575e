"""What a network is expected to demand of memory before it is trained; it trains nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from moesaic.training._cost import count_macs, count_parameters

_STATES = 4  # a weight, its gradient, and AdamW's two moments
_FLOAT = 4


@dataclass(frozen=True)
class Demand:
    """What one network costs.

    Attributes:
        macs: multiply-accumulates of one sample.
        parameters: trainable numbers.
        activations: bytes that the backward pass keeps for one sample.
        buffers: bytes of what is neither trained nor kept for one sample.
    """

    macs: int
    parameters: int
    activations: int
    buffers: int

    def memory(self, batch_size: int) -> int:
        """Return the bytes that a training step needs: weights, moments, activations."""
        return self.parameters * _STATES * _FLOAT + self.buffers + self.activations * batch_size


def demand_of(network: nn.Module, input_shape: tuple[int, ...]) -> Demand:
    """Count what a network demands, on the device it is on; on `meta` nothing is computed.

    Activations are the tensors that autograd saves in a forward pass of two samples, in training
    mode; the network's own parameters are not counted among them.

    Args:
        network: maps (B, *input_shape) to logits.
        input_shape: shape of one sample, without the batch.
    """
    own = {id(parameter) for parameter in network.parameters()}
    saved: dict[int, tuple[Tensor, int]] = {}

    def pack(tensor: Tensor) -> Tensor:
        if id(tensor) not in own and tensor.numel():
            # the tensor is held on to, so that its id is not given to another one
            saved[id(tensor)] = (tensor, tensor.numel() * tensor.element_size())
        return tensor

    reference = next(network.parameters(), torch.empty(0))
    sample = torch.zeros((2, *input_shape), device=reference.device)
    was_training = network.training
    network.train()
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(sample)
    finally:
        network.train(was_training)
    return Demand(
        macs=count_macs(network, input_shape),
        parameters=count_parameters(network),
        activations=sum(size for _, size in saved.values()) // 2,
        buffers=sum(b.numel() * b.element_size() for b in network.buffers()),
    )
