"""Trains one network alone, outside any run, for benchmarks that search nothing."""

from __future__ import annotations

import torch
from torch import nn

from moesaic.config import Recipe
from moesaic.data import Dataset, Normaliser, Split
from moesaic.spaces import Architecture, SearchSpace
from moesaic.training import cross_entropy_objective, fit, predict_logits


def build_alone(
    space: SearchSpace, architecture: Architecture, dataset: Dataset, seed: int, device: str = "cpu"
) -> nn.Module:
    """Return the network with the weights that the seed draws, on the device."""
    torch.manual_seed(seed)
    network = space.build(architecture, dataset.input_shape, len(dataset.classes)).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def fit_alone(
    network: nn.Module, dataset: Dataset, normaliser: Normaliser, recipe: Recipe, seed: int
) -> None:
    """Train it on the training split."""
    objective = cross_entropy_objective(network, recipe, seed=seed)
    fit(network, objective, dataset.train, normaliser, recipe, seed=seed)


def share_right(network: nn.Module, split: Split, normaliser: Normaliser) -> float:
    """Return the share of right answers on a split."""
    answers = predict_logits(network, split.inputs, normaliser).argmax(dim=1)
    return float((answers == split.labels).float().mean())
