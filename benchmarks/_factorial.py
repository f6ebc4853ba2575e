"""One cell of the factorial: a mixture trained under a routing with one kind of gate, and tested.

It runs in the workers of a finished search and writes its answer into the run; it compares nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist

from moesaic.bank import save_predictions
from moesaic.config import Recipe, Taught
from moesaic.data import Split
from moesaic.errors import InputError
from moesaic.mixture import (
    Mixture,
    build_network,
    mixture_groups,
    taught_objective,
    training_passes,
)
from moesaic.runs._context import Context, load_context, load_partition, load_splits
from moesaic.runs._routing import route_split, routing_targets
from moesaic.runs._structure import _LEAST_EPOCHS
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture
from moesaic.structure import embed_trained, train_embedder, whiten
from moesaic.training import count_macs, fit

FOLDER = "factorial"
CLUSTERS = "test-clusters.npz"
_ALONE = Taught(opening=0.0, weight=0.0)  # every sample to the expert of its cluster, no lesson
_SOFT = Taught(opening=1.0, weight=0.0)  # all experts on every sample, no lesson


def assign_clusters(path: str, epochs: int) -> dict[str, Any]:
    """Give every test sample the cluster of its nearest centroid, as the gate `cluster` does.

    The embedder of the search is trained again, from its seed, and is the same bit for bit.

    Args:
        path: of a finished search.
        epochs: of its highest rung, which the embedder was trained for.

    Returns:
        `agreement` with the clusters that the search gave the validation split, and the embedder's
        `macs` on one sample: what this gate costs.
    """
    context = load_context(path)
    if context.config.embedder != "trained":
        raise InputError(f"embedder is {context.config.embedder}: the factorial needs trained")
    seed = derive_seed(context.config.seed, "structure")
    recipe = (context.config.recipe or Recipe()).for_epochs(max(epochs, _LEAST_EPOCHS))
    dataset, partition = context.dataset, load_partition(path)
    network = train_embedder(dataset.train, context.normaliser, context.classes, recipe, seed)
    train = embed_trained(network, dataset.train, context.normaliser)
    centres = np.load(Path(path) / "structure" / "centres.npy", allow_pickle=False)

    def nearest(split: Split) -> np.ndarray:
        told = embed_trained(network, split, context.normaliser)
        return cdist(whiten(train, told)[1], centres).argmin(axis=1)

    place = Path(path) / FOLDER
    place.mkdir(exist_ok=True)
    np.savez(place / CLUSTERS, test=nearest(load_splits(path).test))
    agreement = float((nearest(dataset.validation) == partition.validation).mean())
    return {"agreement": agreement, "macs": count_macs(network.body, dataset.input_shape)}


def train_cell(path: str, cell: dict[str, Any]) -> dict[str, Any]:
    """Train and test one cell, write its answer beside those of the others and return it.

    Args:
        path: of a finished search.
        cell: `name`, `experts`, `routing` (M,), `gate`, `seed`, `recipe`, `taught` and
            `embedder_macs`.

    Returns:
        `accuracy` with one expert a sample, `accuracy_all` with all of them under the gate's
        weights (None for the gate `cluster`, which has none), `macs` and `passes`.
    """
    context = load_context(path)
    torch.manual_seed(cell["seed"])
    experts = [Architecture.from_dict(expert) for expert in cell["experts"]]
    network = build_network(experts, context.dataset.input_shape, context.classes)
    if not isinstance(network, Mixture):
        raise InputError("a factorial needs two experts or more")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    passes = _train(context, network, cell)
    test, given = load_splits(path).test, None
    if cell["gate"] == "cluster":
        with np.load(Path(path) / FOLDER / CLUSTERS, allow_pickle=False) as stored:
            given = np.asarray(cell["routing"], np.int64)[stored["test"]]
    routed = route_split(context, network, test, given)
    alone = given is not None
    answer = {
        "name": cell["name"],
        "accuracy": routed.accuracy,
        "accuracy_all": None if alone else routed.accuracy_all,
        "macs": routed.macs + (cell["embedder_macs"] if alone else 0),
        "macs_all": None if alone else routed.macs_dense,
        "usage": [float(share) for share in routed.usage],
        "passes": passes,
        "predictions": save_predictions(
            Path(path), f"{FOLDER}-{cell['name']}", routed.logits.log_softmax(dim=1).numpy()
        ),
    }
    file = Path(path) / FOLDER / f"{cell['name']}.json"
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(answer))
    draft.replace(file)
    return answer


def _train(context: Context, network: Mixture, cell: dict[str, Any]) -> float:
    """Train as the gate asks and return the cost in epochs of one network."""
    recipe, routing = Recipe(**cell["recipe"]), list(cell["routing"])
    if cell["gate"] == "taught":
        steps = [(recipe, Taught(**cell["taught"]), False)]
    elif cell["gate"] == "cluster":
        steps = [(recipe, _ALONE, True)]
    else:
        # experts learn their clusters first: from a gate that is learned from the start no routing
        # would remain
        first = max(1, recipe.epochs // 2)
        second = max(1, recipe.epochs - first)
        steps = [
            (recipe.for_epochs(first), _ALONE, True),
            (recipe.for_epochs(second), _SOFT, False),
        ]
    train = context.dataset.train
    targets = routing_targets(context, routing, train)
    passes = 0.0
    for number, (part, taught, oracle) in enumerate(steps):
        seed = derive_seed(cell["seed"], "factorial", number)
        objective = taught_objective(network, targets, part, taught, oracle=oracle, seed=seed)
        groups = mixture_groups(network, part)
        fit(network, objective, train, context.normaliser, part, seed=seed, groups=groups)
        passes += training_passes(part, taught, len(network.experts))
    return passes
