"""The trials of the final stage: the mixture and the baselines at the same inference cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from moesaic.bank import Trial
from moesaic.config import Recipe, SearchConfig
from moesaic.mixture import build_gate
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, SearchSpace, match_macs
from moesaic.training import count_macs

_DRAWS = 40
_NEAR = 0.05
_ANY = 1e9


@dataclass(frozen=True)
class Design:
    """What the final stage trains.

    Attributes:
        config: the run's settings.
        space: where random architectures come from.
        input_shape: (C, H, W) or (D,).
        classes: number of classes.
        domains: number of domains where they are known, else 0.
        experts: the searched architectures, (K,).
        routing: the expert of every cluster, (M,).
        target: active MACs of one sample that every variant is matched to: those of the `top_k`
            experts that run on it, and of the gate.
        single: the best single architecture, widths matched to `target`.
        copy: the same, widths matched to what is left of `target` for one expert.
        recipe: of the final trainings.
        domain_experts: the expert that serves most of every domain, none where none is known.
        gate_size: factor on the channels of every mixture's gate.
    """

    config: SearchConfig
    space: SearchSpace
    input_shape: tuple[int, ...]
    classes: int
    domains: int
    experts: tuple[Architecture, ...]
    routing: tuple[int, ...]
    target: int
    single: Architecture
    copy: Architecture
    recipe: Recipe
    domain_experts: tuple[int, ...] = ()
    gate_size: float = 1.0

    @property
    def count(self) -> int:
        """K, the number of experts."""
        return len(self.experts)

    def for_epochs(self, epochs: int) -> Design:
        """Return the same design, trained for another number of epochs."""
        return replace(self, recipe=self.recipe.for_epochs(epochs))


def gate_macs(input_shape: tuple[int, ...], experts: int, size: float = 1.0) -> int:
    """Return the multiply-accumulates of the default gate, of some size, on one sample."""
    return count_macs(build_gate(input_shape, experts, size=size), input_shape)


def matched(
    space: SearchSpace,
    architecture: Architecture,
    target: int,
    input_shape: tuple[int, ...],
    classes: int,
) -> Architecture:
    """Return the architecture at the widths whose MACs are nearest to `target`.

    Widths are whole channels: networks of a few channels may not come within the 5 % that larger
    ones always do, and the table says what they cost.
    """
    return match_macs(space, architecture, target, input_shape, classes, count_macs, tolerance=_ANY)


def variants(design: Design, repeat: int) -> dict[str, list[Trial]]:
    """Return the trials of one repeat by the name of the variant they belong to.

    All variants of a repeat share its seed and the recipe; `ensemble` needs K trials, the first
    of them being `single`.
    """
    config = design.config
    seed = derive_seed(config.seed, "final", repeat)
    trials = {"mixture": [mixture_trial(design, design.experts, design.routing, seed)]}
    single = single_trial(design, design.recipe.epochs, seed)
    trials["single"] = [single]
    if not config.baselines:
        return _numbered(trials, repeat)
    trials["single_long"] = [single_trial(design, design.count * design.recipe.epochs, seed)]
    copies = (design.copy,) * design.count
    trials["homogeneous"] = [mixture_trial(design, copies, design.routing, seed)]
    others = random_experts(design, repeat)
    trials["random"] = [mixture_trial(design, others, design.routing, seed)]
    members = [
        single_trial(design, design.recipe.epochs, derive_seed(config.seed, "ensemble", number))
        for number in range(repeat * design.count, repeat * design.count + design.count - 1)
    ]
    trials["ensemble"] = [single, *members]
    if len(design.domain_experts) > 1:
        trials["oracle"] = [mixture_trial(design, oracle_experts(design), "domains", seed)]
    return _numbered(trials, repeat)


def mixture_trial(
    design: Design, experts: Sequence[Architecture], routing: Sequence[int] | str, seed: int
) -> Trial:
    """Return the trial that trains these experts with a taught gate under this routing."""
    payload: dict[str, Any] = {
        "experts": [expert.to_dict() for expert in experts],
        "routing": routing if isinstance(routing, str) else [int(expert) for expert in routing],
        "taught": design.config.taught.to_dict(),
        "top_k": min(design.config.top_k, len(experts)),
    }
    if design.gate_size != 1.0:  # else left out: the same work has the same key as ever
        payload["gate_size"] = design.gate_size
    recipe = design.recipe.to_dict()
    return Trial(kind="mixture", stage="", index=0, seed=seed, recipe=recipe, payload=payload)


def single_trial(design: Design, epochs: int, seed: int) -> Trial:
    """Return the trial that trains the best single architecture for `epochs`."""
    recipe = design.recipe.for_epochs(epochs).to_dict()
    return Trial(
        kind="expert", stage="", index=0, seed=seed, architecture=design.single, recipe=recipe
    )


def random_experts(design: Design, repeat: int) -> list[Architecture]:
    """Draw K different architectures and match each to the cost of an expert.

    The first K that come within 5 % are taken; where too few do, the nearest of those drawn.
    """
    rng = generator(design.config.seed, "random-experts", repeat)
    active = min(design.config.top_k, design.count)
    gate = gate_macs(design.input_shape, design.count, design.gate_size)
    cost = round((design.target - gate) / active)
    drawn: dict[str, tuple[float, Architecture]] = {}
    for _ in range(_DRAWS * design.count):
        candidate = design.space.sample(rng)
        sized = matched(design.space, candidate, cost, design.input_shape, design.classes)
        with torch.device("meta"):
            network = design.space.build(sized, design.input_shape, design.classes)
        away = abs(count_macs(network, design.input_shape) / cost - 1)
        drawn.setdefault(sized.key, (away, sized))
        near = [architecture for away, architecture in drawn.values() if away <= _NEAR]
        if len(near) == design.count:
            return near
    ordered = sorted(drawn.values(), key=lambda pair: pair[0])
    nearest = [architecture for _, architecture in ordered[: design.count]]
    # a space with fewer architectures than experts repeats them
    return [nearest[number % len(nearest)] for number in range(design.count)]


def oracle_experts(design: Design) -> list[Architecture]:
    """Return one architecture a domain: the searched one that serves most of it."""
    return [design.experts[expert] for expert in design.domain_experts]


def _numbered(trials: dict[str, list[Trial]], repeat: int) -> dict[str, list[Trial]]:
    """Give every trial a place of its own: the stage names the repeat and the variant."""
    return {
        name: [
            replace(trial, stage=f"final-{repeat}-{name}", index=index)
            for index, trial in enumerate(members)
        ]
        for name, members in trials.items()
    }
