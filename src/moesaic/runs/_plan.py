"""Trials as messages: a worker gets a trial as a JSON-able dictionary and answers with one."""

from __future__ import annotations

from typing import Any

import numpy as np

from moesaic.bank import Observation, Trial
from moesaic.spaces import Architecture


def trial_to_dict(trial: Trial) -> dict[str, Any]:
    """Return a JSON-able form of a trial."""
    return {
        "kind": trial.kind,
        "stage": trial.stage,
        "index": trial.index,
        "seed": trial.seed,
        "architecture": None if trial.architecture is None else trial.architecture.to_dict(),
        "subset": None if trial.subset is None else list(trial.subset),
        "recipe": trial.recipe,
        "parent": trial.parent,
        "payload": trial.payload,
    }


def trial_from_dict(payload: dict[str, Any]) -> Trial:
    """Inverse of `trial_to_dict`."""
    architecture = payload["architecture"]
    subset = payload["subset"]
    return Trial(
        kind=payload["kind"],
        stage=payload["stage"],
        index=payload["index"],
        seed=payload["seed"],
        architecture=None if architecture is None else Architecture.from_dict(architecture),
        subset=None if subset is None else tuple(bool(value) for value in subset),
        recipe=payload["recipe"],
        parent=payload["parent"],
        payload=payload["payload"],
    )


def to_observation(trial: Trial, numbers: dict[str, Any]) -> Observation:
    """Return the observation that a worker's answer describes."""
    return Observation(
        trial=trial,
        loss=np.asarray(numbers["loss"], dtype=np.float64),
        accuracy=np.asarray(numbers["accuracy"], dtype=np.float64),
        macs=int(numbers["macs"]),
        parameters=int(numbers["parameters"]),
        seconds=float(numbers["seconds"]),
        peak_memory=int(numbers["peak_memory"]),
        extra=dict(numbers["extra"]),
    )
