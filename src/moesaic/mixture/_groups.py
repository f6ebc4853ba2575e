"""How the parameters of a mixture are divided for training: the experts, and the gate apart."""

from __future__ import annotations

from moesaic.config import Recipe
from moesaic.mixture._mixture import Mixture
from moesaic.training import ParameterGroup


def mixture_groups(mixture: Mixture, recipe: Recipe) -> list[ParameterGroup]:
    """Return the groups of a mixture: the experts as the recipe says, then the gate.

    The gate learns at `gate_lr` times the learning rate, with `gate_weight_decay`.
    """
    decay = recipe.gate_weight_decay
    return [
        ParameterGroup(tuple(mixture.experts.parameters()), 1.0, recipe.weight_decay),
        ParameterGroup(
            tuple(mixture.gate.parameters()),
            recipe.gate_lr,
            recipe.weight_decay if decay is None else decay,
        ),
    ]
