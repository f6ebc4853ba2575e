"""What a worker does: train one expert or one mixture, measure it, store its files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from moesaic.bank import Trial, read_checkpoint, save_checkpoint, save_predictions
from moesaic.config import Recipe
from moesaic.data import Split
from moesaic.errors import BuildError
from moesaic.execution import peak_memory
from moesaic.mixture import Mixture
from moesaic.runs._context import Context, load_context, load_partition, load_splits
from moesaic.runs._plan import trial_from_dict
from moesaic.runs._routing import route_split, routing_targets
from moesaic.runs._work_mixture import build_trial_network, describe_training, train_mixture
from moesaic.spaces import Architecture
from moesaic.training import (
    Measurement,
    count_macs,
    count_parameters,
    cross_entropy_objective,
    fit,
    measure,
    measure_logits,
    predict_logits,
)


def run_trial(path: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Run one trial of the run in `path` and return what it measured, JSON-able.

    Its predictions and weights are in place when it returns.
    """
    trial = trial_from_dict(payload)
    context = load_context(path)
    torch.manual_seed(trial.seed)
    started = time.monotonic()
    with peak_memory() as memory:
        network = build_trial(context, trial)
        if isinstance(network, Mixture):
            found, numbers = train_mixture(context, trial, network)
        else:
            found, numbers = _train_expert(context, trial, network)
    key, folder = trial.key, context.folder.path
    return {
        **numbers,
        "loss": found.loss.tolist(),
        "accuracy": found.accuracy.tolist(),
        "parameters": count_parameters(network),
        "seconds": time.monotonic() - started,
        "peak_memory": memory.bytes,
        "predictions": save_predictions(folder, key, found.predictions),
        "checkpoint": save_checkpoint(folder, key, network.state_dict()),
    }


def trained_experts(trial: Trial) -> list[Architecture]:
    """Return the architectures in a trial, one for an expert, K for a mixture."""
    if trial.kind == "mixture":
        return [Architecture.from_dict(expert) for expert in trial.payload["experts"]]
    if trial.architecture is None:
        raise BuildError("an expert trial needs an architecture")
    return [trial.architecture]


def build_trial(context: Context, trial: Trial) -> nn.Module:
    """Return the untrained network of a trial, on the device of the run."""
    network = build_trial_network(
        trained_experts(trial), trial.payload, context.dataset.input_shape, context.classes
    ).to(context.device)
    if context.dataset.is_images:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _load(context: Context, network: nn.Module, key: str) -> None:
    network.load_state_dict(read_checkpoint(context.folder.checkpoints / f"{key}.safetensors"))


def _train_expert(
    context: Context, trial: Trial, network: nn.Module
) -> tuple[Measurement, dict[str, Any]]:
    if trial.parent is not None:
        _load(context, network, trial.parent)
    recipe = Recipe(**trial.recipe)
    log = fit(
        network,
        cross_entropy_objective(network, recipe, seed=trial.seed),
        _subset(context, trial),
        context.normaliser,
        recipe,
        seed=trial.seed,
    )
    partition = load_partition(str(context.folder.path))
    found = measure(
        network,
        context.dataset.validation,
        context.normaliser,
        partition.validation,
        partition.count,
    )
    macs = count_macs(network, context.dataset.input_shape)
    return found, {"macs": macs, "extra": describe_training(log, float(recipe.epochs))}


def _subset(context: Context, trial: Trial) -> Split:
    if trial.subset is None:
        return context.dataset.train
    clusters = load_partition(str(context.folder.path)).train
    wanted = np.asarray(trial.subset, dtype=bool)[clusters]
    return context.dataset.train.take(torch.from_numpy(np.flatnonzero(wanted)))


def run_test(path: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Measure a finished final trial on the test split; the only reader of that split.

    Returns:
        Accuracy, cost and routing on the test split; the predictions and the chosen experts are
        stored beside the trial's other files.
    """
    trial = trial_from_dict(payload)
    context = load_context(path)
    test = load_splits(path).test
    network = build_trial(context, trial)
    _load(context, network, trial.key)
    network.eval()
    if isinstance(network, Mixture):
        oracle = trial.payload.get("routing") == "domains"
        given = routing_targets(context, "domains", test) if oracle else None
        routed = route_split(context, network, test, given)
        logits, chosen = routed.logits, routed.chosen
        answer = {"macs": routed.macs, **routed.to_dict()}
    else:
        logits = predict_logits(network, test.inputs, context.normaliser)
        chosen = np.zeros(len(test), np.int64)
        right = (logits.argmax(dim=1) == test.labels).float()
        macs = count_macs(network, context.dataset.input_shape)
        answer = {"macs": macs, "accuracy": float(right.mean())}
    everything = np.zeros(len(test), np.int64)
    found = measure_logits(logits, test.labels, everything, 1)
    stored = save_predictions(Path(path), f"{trial.key}-test", found.predictions)
    return {**answer, "experts_used": chosen.tolist(), "predictions": stored}
