"""What the trials of a campaign are: families alone, mixtures of them, the same again, smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import CampaignConfig, Recipe, preset_recipe
from moesaic.runs.campaign._candidates import stage_of
from moesaic.seeds import derive_seed
from moesaic.selection import Limits, select
from moesaic.spaces.families import family_architecture

SINGLES = "singles"
LONG = "single-long"


@dataclass(frozen=True)
class Design:
    """What all trials of a campaign share.

    Attributes:
        config: the settings.
        pool: names of the families.
        weight: shares (M,) of the clusters in the training split, 0 where none was validated.
    """

    config: CampaignConfig
    pool: tuple[str, ...]
    weight: NDArray[np.float64]

    @property
    def recipe(self) -> Recipe:
        """The recipe of all trainings, the preset's unless one was given."""
        return recipe_of(self.config)

    @property
    def top_k(self) -> int:
        """How many experts run on a sample."""
        if self.config.top_k is not None:
            return self.config.top_k
        return self.config.experts if self.config.preset == "moe4" else 1


def recipe_of(config: CampaignConfig) -> Recipe:
    """Return the recipe of a campaign's trainings at its full number of epochs."""
    recipe = config.recipe or preset_recipe(config.preset)
    return recipe.for_epochs(config.epochs)


def single_trials(design: Design) -> list[Trial]:
    """Return one trial a family: it alone, on all data, with the recipe of the mixtures."""
    return [
        Trial(
            kind="expert",
            stage=SINGLES,
            index=index,
            seed=derive_seed(design.config.seed, SINGLES, index),
            architecture=family_architecture(name),
            recipe=design.recipe.to_dict(),
        )
        for index, name in enumerate(design.pool)
    ]


def long_trial(design: Design, best: Trial) -> Trial:
    """Return the trial of a family alone for K times the epochs: a mixture's training compute."""
    epochs = design.config.epochs * design.config.experts
    recipe = design.recipe.for_epochs(epochs).to_dict()
    recipe["batch_size"] = best.recipe["batch_size"]  # the one that memory sufficed for
    return replace(best, stage=LONG, index=0, recipe=recipe, payload={})


def mixture_trial(
    design: Design,
    families: Sequence[str],
    stage: str,
    index: int,
    epochs: int,
    losses: Mapping[str, NDArray[np.float64]],
) -> Trial:
    """Return the trial of a mixture of families.

    Args:
        design: of the campaign.
        families: K names.
        stage: of its trials.
        index: place of the candidate in the plan.
        epochs: how long it is trained.
        losses: loss (M,) of the families trained alone; the taught preset routes by them.
    """
    config = design.config
    payload: dict[str, Any] = {
        "experts": [family_architecture(name).to_dict() for name in families],
        "preset": config.preset,
        "top_k": min(design.top_k, len(families)),
    }
    if config.preset == "moe4":
        payload["moe4"] = config.moe4.to_dict()
    else:
        payload["taught"] = config.taught.to_dict()
        payload["routing"] = route(families, losses, design.weight)
    return Trial(
        kind="mixture",
        stage=stage,
        index=index,
        seed=derive_seed(config.seed, stage, index),
        recipe=design.recipe.for_epochs(epochs).to_dict(),
        payload=payload,
    )


def route(
    families: Sequence[str],
    losses: Mapping[str, NDArray[np.float64]],
    weight: NDArray[np.float64],
) -> list[int]:
    """Return the expert of every cluster, (M,): the k-median routing in which all K have one.

    A family that has no measured loss is taken for one that is worse than all others everywhere.
    """
    count = len(families)
    known = [losses[name] for name in families if name in losses]
    worst = float(np.nanmax(known)) + 1.0 if known else 1.0
    rows = [losses.get(name, np.full(len(weight), worst)) for name in families]
    table = np.nan_to_num(np.stack(rows), nan=worst)
    least = float(min(weight[weight > 0]))
    chosen = select(table, weight, count, Limits(min_share=least))
    return [int(expert) for expert in chosen.routing.argmax(axis=1)]


def smaller_batch(trial: Trial, number: int) -> Trial:
    """Return the trial that tries again with half the batch, and says what it follows.

    Args:
        trial: what ran out of memory.
        number: 1 for the first retry.
    """
    size = int(trial.recipe["batch_size"])
    base = trial.stage.split("-retry-")[0]
    return replace(
        trial,
        stage=stage_of(base, number),
        recipe={**trial.recipe, "batch_size": max(2, size // 2)},
        payload={**trial.payload, "retry_of": trial.key},
    )


def losses_of(singles: Sequence[Observation | None]) -> dict[str, NDArray[np.float64]]:
    """Return the loss (M,) of every family that was trained alone, by name."""
    return {
        found.trial.architecture.family: found.loss
        for found in singles
        if found is not None and found.trial.architecture is not None
    }
