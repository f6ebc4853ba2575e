"""The one training loop of the project, for experts, gates and mixtures alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from moesaic.config import Recipe
from moesaic.data import Normaliser, Split, augment, batches
from moesaic.errors import Diverged, InputError
from moesaic.training._mixup import Mixup
from moesaic.training._schedule import learning_rates

Objective = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained in a way of their own.

    Attributes:
        parameters: what the group is made of.
        lr: factor on the recipe's learning rate.
        weight_decay: AdamW's decoupled weight decay.
    """

    parameters: tuple[nn.Parameter, ...]
    lr: float
    weight_decay: float


@dataclass(frozen=True)
class TrainingLog:
    """What a training did.

    Attributes:
        losses: mean training loss of every epoch, in nats.
        seconds: wall time.
        samples: how many samples were shown, augmented copies counted.
        rates: mean learning rate of the steps of every epoch, as the optimiser used it; where
            there are groups of parameters, of the first.
    """

    losses: tuple[float, ...]
    seconds: float
    samples: int
    rates: tuple[float, ...]


def fit(
    network: nn.Module,
    objective: Objective,
    split: Split,
    normaliser: Normaliser,
    recipe: Recipe,
    *,
    seed: int,
    groups: Sequence[ParameterGroup] | None = None,
) -> TrainingLog:
    """Train `network` in place.

    Args:
        network: its parameters are trained; it is left in evaluation mode, on its device.
        objective: maps normalised inputs (B, ...), labels (B,), positions in the split (B,) and
            the epoch to a scalar loss in nats.
        split: the samples to train on.
        normaliser: applied to every batch, after augmentation.
        recipe: how long and how.
        seed: seeds the order of the samples and the augmentation.
        groups: the network's parameters, every one in one group; a single group at the recipe's
            learning rate and weight decay when not given.

    Raises:
        InputError: the split is empty, or the groups are not the network's parameters.
        Diverged: the loss or its gradient became infinite or not a number.
    """
    if len(split) == 0:
        raise InputError("there are no samples to train on: give a split that is not empty")
    device = next(network.parameters()).device
    source = torch.Generator().manual_seed(seed)
    is_images = split.inputs.dim() == 4
    reduced = recipe.precision == "bfloat16"  # of the products; weights and losses stay whole
    steps = recipe.epochs * sum(1 for _ in batches(split, recipe.batch_size, source))
    source.manual_seed(seed)
    if groups is None:
        groups = [ParameterGroup(tuple(network.parameters()), 1.0, recipe.weight_decay)]
    optimiser = torch.optim.AdamW(_described(network, groups, recipe), lr=recipe.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, [learning_rates(recipe, steps, group.lr) for group in groups]
    )
    normaliser = deepcopy(normaliser).to(device)  # a module moves in place, and others share it
    network.train()
    started = time.monotonic()
    losses: list[float] = []
    rates: list[float] = []
    samples = 0
    for epoch in range(recipe.epochs):
        total, seen = 0.0, 0
        used: list[float] = []
        for index in batches(split, recipe.batch_size, source):
            raw = split.inputs[index]
            if is_images:
                raw = augment(
                    raw,
                    shift=recipe.shift,
                    flip=recipe.flip,
                    cutout=recipe.cutout,
                    generator=source,
                )
            inputs = normaliser(raw.to(device))
            if is_images:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
                loss = objective(inputs, split.labels[index].to(device), index, epoch)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise Diverged(f"the training loss became {value} in epoch {epoch + 1}")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = float(nn.utils.clip_grad_norm_(network.parameters(), recipe.clip))
            if not math.isfinite(norm):  # clipping turned every gradient into NaN or 0
                raise Diverged(f"the gradient became {norm} in epoch {epoch + 1}")
            used.append(float(optimiser.param_groups[0]["lr"]))
            optimiser.step()
            schedule.step()
            total += value * len(index)
            seen += len(index)
        samples += seen
        losses.append(total / seen)
        rates.append(sum(used) / len(used))
    network.eval()
    return TrainingLog(tuple(losses), time.monotonic() - started, samples, tuple(rates))


def _described(
    network: nn.Module, groups: Sequence[ParameterGroup], recipe: Recipe
) -> list[dict[str, Any]]:
    """Return the groups as the optimiser takes them, made sure that nothing is left out."""
    given = [id(parameter) for group in groups for parameter in group.parameters]
    wanted = {id(parameter) for parameter in network.parameters()}
    if len(given) != len(set(given)) or set(given) != wanted:
        raise InputError(
            f"the groups hold {len(given)} parameters, the network has {len(wanted)}: "
            "give every parameter of the network in one group"
        )
    return [
        {
            "params": list(group.parameters),
            "lr": recipe.lr * group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]


def cross_entropy_objective(network: nn.Module, recipe: Recipe, *, seed: int = 0) -> Objective:
    """Return the objective of a plain classifier: cross-entropy of its logits, in nats.

    Args:
        network: maps inputs to logits.
        recipe: gives the label smoothing and mixup.
        seed: of mixup's draws. An objective serves one training, or the next one goes on drawing.
    """
    mixup = Mixup(recipe.mixup, seed)

    def objective(inputs: Tensor, labels: Tensor, index: Tensor, epoch: int) -> Tensor:
        blend = mixup(inputs)
        return blend.cross_entropy(network(blend.inputs), labels, recipe.label_smoothing)

    return objective
