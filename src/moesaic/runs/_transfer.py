"""What is taken over from the bank of an earlier run, copied so that the other is needed once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.runs._open import open_run
from moesaic.runs._session import SearchSession
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SearchSpace
from moesaic.surrogate import Prior

META = "transfer"
LEAST = 8  # a surrogate of fewer architectures is never trusted


def read_bank(path: str, space: SearchSpace) -> dict[str, Any]:
    """Return what an earlier run measured of generalists of one recipe, JSON-able.

    The recipe is the one that most of its architectures were trained with.

    Raises:
        InputError: no run there, a run of another space, or one with fewer than 8 architectures.
    """
    run = open_run(path)
    with run.bank() as bank:
        observations = bank.observations(kind="expert")
    groups: dict[str, dict[str, Observation]] = {}
    for one in observations:
        architecture, subset = one.trial.architecture, one.trial.subset
        if architecture is None or (subset is not None and not all(subset)):
            continue
        if architecture.space != space.name:
            raise InputError(
                f"transfer is {path}, a run of the space {architecture.space}, but this one "
                f"searches {space.name}: give a run of the same space"
            )
        recipe = json.dumps(one.trial.recipe, sort_keys=True)
        groups.setdefault(recipe, {}).setdefault(architecture.key, one)
    most = max(groups, key=lambda recipe: (len(groups[recipe]), recipe), default=None)
    kept = [] if most is None else [groups[most][key] for key in sorted(groups[most])]
    if len(kept) < LEAST:
        raise InputError(
            f"transfer is {path}, which measured {len(kept)} architectures on all data: "
            f"give a run with {LEAST} or more"
        )
    return {
        "run": str(run.folder.path.resolve()),
        "space": space.name,
        "architectures": [
            one.trial.architecture.to_dict() for one in kept if one.trial.architecture is not None
        ],
        "loss": [[float(x) if np.isfinite(x) else None for x in one.loss] for one in kept],
    }


def transferred(session: SearchSession, space: SearchSpace) -> Prior | None:
    """Return what the run that `transfer` names says; None where none is named.

    What is read is kept in this run's bank. A resumed run reads it there.
    """
    if session.config.transfer is None:
        return None
    copied: dict[str, Any] | None = session.bank.meta(META)
    if copied is None:
        copied = read_bank(session.config.transfer, space)
        session.bank.set_meta(META, copied)
    return make_prior(copied, space, session.config.seed)


def make_prior(copied: dict[str, Any], space: SearchSpace, seed: int) -> Prior:
    """Fit a prior on what `read_bank` returned."""
    return Prior(space, _observations(copied), derive_seed(seed, "transfer"))


def _observations(copied: dict[str, Any]) -> Sequence[Observation]:
    found = []
    for index, (described, row) in enumerate(
        zip(copied["architectures"], copied["loss"], strict=True)
    ):
        loss = np.asarray([np.nan if value is None else value for value in row], dtype=np.float64)
        trial = Trial("expert", META, index, index, Architecture.from_dict(described))
        # accuracy and cost are not taken over: the surrogate reads losses only
        found.append(Observation(trial, loss, np.full(len(loss), np.nan), 0, 0, 0.0))
    return found
