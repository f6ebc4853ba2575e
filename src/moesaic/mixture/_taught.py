"""The taught recipe: a gate shown the structure of the data, then hard routing to the end."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moesaic.config import Recipe, Taught
from moesaic.mixture._mixture import Mixture, sparse_weights
from moesaic.training import Mixup, Objective


def taught_objective(
    mixture: Mixture,
    targets: NDArray[np.int64],
    recipe: Recipe,
    taught: Taught,
    *,
    oracle: bool = False,
    seed: int = 0,
) -> Objective:
    """Return the training objective of a mixture.

    Args:
        mixture: the module to be trained.
        targets: int64 (N,), the expert that the structure assigns to every training sample.
        recipe: gives the number of epochs, the label smoothing and mixup.
        taught: how long the opening is and what the gate's lesson weighs.
        oracle: route by `targets` and not by the gate after the opening; a blend of two samples
            goes where the larger part of it belongs.
        seed: of mixup's draws. An objective serves one training, or the next one goes on drawing.
    """
    opening = taught.opening_epochs(recipe.epochs)
    lesson = torch.from_numpy(targets)
    experts = len(mixture.experts)
    mixup = Mixup(recipe.mixup, seed)

    def objective(inputs: Tensor, labels: Tensor, index: Tensor, epoch: int) -> Tensor:
        blend = mixup(inputs)
        gate_logits = mixture.gate(blend.inputs).float()
        target = lesson[index].to(labels.device)
        if epoch < opening:
            weights = gate_logits.softmax(dim=1)
        elif oracle:
            weights = nn.functional.one_hot(target, experts).to(gate_logits.dtype)
        else:
            weights = sparse_weights(gate_logits, mixture.top_k)
        logits = mixture.combine(blend.inputs, weights)
        task = blend.cross_entropy(logits, labels, recipe.label_smoothing)
        return task + taught.weight * blend.cross_entropy(gate_logits, target)

    return objective


def gather_classes(
    targets: NDArray[np.int64], labels: NDArray[np.int64], share: float
) -> NDArray[np.int64]:
    """Return targets in which classes that are almost wholly at one expert are there as a whole.

    Only strays move: samples of such a class at an expert that is itself made of classes of its
    own. A region that cuts through the classes, as a small part of each, stays as it is.

    Args:
        targets: the expert of every training sample, (N,).
        labels: the class of every training sample, (N,).
        share: of a class at one expert, and of an expert in classes of its own, from which on
            strays go home, above .5; 1 changes nothing.
    """
    table = np.zeros((int(labels.max(initial=0)) + 1, int(targets.max(initial=0)) + 1))
    np.add.at(table, (labels, targets), 1.0)
    home = table.argmax(axis=1)
    gathered = table.max(axis=1) >= share * table.sum(axis=1)
    own = np.where(gathered[:, None] & (home[:, None] == np.arange(table.shape[1])), table, 0.0)
    whole = own.sum(axis=0) >= share * table.sum(axis=0)
    stray = gathered[labels] & whole[targets]
    return np.where(stray, home[labels], targets).astype(np.int64)


def training_passes(recipe: Recipe, taught: Taught, experts: int, routed: float = 1.0) -> float:
    """Return the training cost of a mixture in epochs of one network.

    Args:
        recipe: gives the number of epochs.
        taught: gives the length of the opening, in which all experts run.
        experts: K.
        routed: what an epoch after the opening costs; as many as experts run on a sample.
    """
    opening = taught.opening_epochs(recipe.epochs)
    return float(opening * experts + (recipe.epochs - opening) * routed)
