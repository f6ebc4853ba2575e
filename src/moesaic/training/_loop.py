"""The one training loop of the project, for experts, gates and mixtures alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from moesaic.config import Recipe
from moesaic.data import Normaliser, Split, augment, batches
from moesaic.errors import Diverged, InputError

_START = 0.04  # of the peak learning rate, at the first step
Objective = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@dataclass(frozen=True)
class TrainingLog:
    """What a training did.

    Attributes:
        losses: mean training loss of every epoch, in nats.
        seconds: wall time.
        samples: how many samples were shown, augmented copies counted.
    """

    losses: tuple[float, ...]
    seconds: float
    samples: int


def fit(
    network: nn.Module,
    objective: Objective,
    split: Split,
    normaliser: Normaliser,
    recipe: Recipe,
    *,
    seed: int,
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

    Raises:
        InputError: the split is empty.
        Diverged: the loss or its gradient became infinite or not a number.
    """
    if len(split) == 0:
        raise InputError("there are no samples to train on: give a split that is not empty")
    device = next(network.parameters()).device
    source = torch.Generator().manual_seed(seed)
    is_images = split.inputs.dim() == 4
    steps = recipe.epochs * sum(1 for _ in batches(split, recipe.batch_size, source))
    source.manual_seed(seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(one_cycle, steps=steps, warmup=recipe.warmup)
    )
    normaliser = normaliser.to(device)
    network.train()
    started = time.monotonic()
    losses: list[float] = []
    samples = 0
    for epoch in range(recipe.epochs):
        total, seen = 0.0, 0
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
            loss = objective(inputs, split.labels[index].to(device), index, epoch)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise Diverged(f"the training loss became {value} in epoch {epoch + 1}")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = float(nn.utils.clip_grad_norm_(network.parameters(), recipe.clip))
            if not math.isfinite(norm):  # clipping turned every gradient into NaN or 0
                raise Diverged(f"the gradient became {norm} in epoch {epoch + 1}")
            optimiser.step()
            schedule.step()
            total += value * len(index)
            seen += len(index)
        samples += seen
        losses.append(total / seen)
    network.eval()
    return TrainingLog(tuple(losses), time.monotonic() - started, samples)


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """Return the share of the peak learning rate at a step: a cosine up, a longer one down.

    Args:
        step: 0 .. steps.
        steps: of the whole training.
        warmup: share of the steps spent rising.
    """
    peak = warmup * steps
    if step < peak:
        return _START + (1 - _START) * (1 - math.cos(math.pi * step / peak)) / 2
    return (1 + math.cos(math.pi * min(1.0, (step - peak) / (steps - peak)))) / 2


def cross_entropy_objective(network: nn.Module, recipe: Recipe) -> Objective:
    """Return the objective of a plain classifier: cross-entropy of its logits, in nats."""

    def objective(inputs: Tensor, labels: Tensor, index: Tensor, epoch: int) -> Tensor:
        return nn.functional.cross_entropy(
            network(inputs), labels, label_smoothing=recipe.label_smoothing
        )

    return objective
