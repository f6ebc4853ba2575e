"""How a worker trains and measures a mixture, by the preset that its trial names."""

from __future__ import annotations

from typing import Any

from torch import nn

from moesaic.bank import Trial
from moesaic.config import Moe4, Recipe, Taught
from moesaic.mixture import (
    Mixture,
    build_network,
    gather_classes,
    mixture_groups,
    moe4_objective,
    router_metrics,
    taught_objective,
    training_passes,
)
from moesaic.runs._context import Context, load_partition
from moesaic.runs._routing import route_split, routing_targets
from moesaic.spaces import Architecture
from moesaic.training import Measurement, TrainingLog, fit, measure_logits


def build_trial_network(
    experts: list[Architecture], payload: dict[str, Any], input_shape: tuple[int, ...], classes: int
) -> nn.Module:
    """Return the untrained network of a trial: the one that its stored weights fit.

    Args:
        experts: one architecture an expert; a single one gives a plain network.
        payload: of the trial. `preset` is `moe4` or `taught` (where not given), `moe4` holds the
            settings of that preset's gate, `top_k` is by default all experts (moe4) or 1 (taught),
            `gate_size` is a factor on the taught gate's channels.
        input_shape: (C, H, W) or (D,).
        classes: number of classes.
    """
    if payload.get("preset") != "moe4":
        return build_network(
            experts,
            input_shape,
            classes,
            top_k=int(payload.get("top_k") or 1),
            gate_size=float(payload.get("gate_size", 1.0)),
        )
    return build_network(
        experts,
        input_shape,
        classes,
        top_k=int(payload.get("top_k") or len(experts)),
        gate="moe4",
        moe4=Moe4(**payload.get("moe4", {})),
    )


def train_mixture(
    context: Context, trial: Trial, network: Mixture
) -> tuple[Measurement, dict[str, Any]]:
    """Train a mixture and measure it on the validation split, every cluster apart.

    The measurement augments nothing and draws nothing.

    Returns:
        The measurement; `macs` and `extra` of the observation.
    """
    recipe, dataset = Recipe(**trial.recipe), context.dataset
    routing = None if trial.payload.get("preset") == "moe4" else trial.payload["routing"]
    oracle = routing == "domains"
    if routing is None:
        moe4 = Moe4(**trial.payload.get("moe4", {}))
        objective = moe4_objective(network, recipe, moe4, seed=trial.seed)
        passes = float(recipe.epochs * network.top_k)
    else:
        taught = Taught(**trial.payload["taught"])
        targets = routing_targets(context, routing, dataset.train)
        if not oracle:
            targets = gather_classes(targets, dataset.train.labels.numpy(), taught.gather)
        objective = taught_objective(
            network, targets, recipe, taught, oracle=oracle, seed=trial.seed
        )
        passes = training_passes(recipe, taught, len(network.experts), network.top_k)
    log = fit(
        network,
        objective,
        dataset.train,
        context.normaliser,
        recipe,
        seed=trial.seed,
        groups=mixture_groups(network, recipe),
    )
    wanted = None if routing is None else routing_targets(context, routing, dataset.validation)
    routed = route_split(context, network, dataset.validation, wanted if oracle else None)
    partition = load_partition(str(context.folder.path))
    found = measure_logits(
        routed.logits, dataset.validation.labels, partition.validation, partition.count
    )
    router = router_metrics(routed.weights, routed.ranked, partition.validation, partition.count)
    extra = describe_training(log, passes) | routed.to_dict() | {"router": router.to_dict()}
    if wanted is not None:
        extra["gate_right"] = float((routed.chosen == wanted).mean())
    return found, {"macs": routed.macs, "extra": extra}


def describe_training(log: TrainingLog, passes: float) -> dict[str, Any]:
    """Return what an observation tells about its training, JSON-able.

    Args:
        log: of the training.
        passes: its cost in epochs of one network.
    """
    return {
        "curve": list(log.losses),
        "rates": list(log.rates),
        "samples": log.samples,
        "passes": passes,
    }
