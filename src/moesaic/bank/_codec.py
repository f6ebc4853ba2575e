"""Records to rows and back, exactly; it talks to no database."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from moesaic.bank._records import Kind, Observation, Trial
from moesaic.spaces import Architecture


def dump(value: Any) -> str:
    """Return compact JSON text."""
    return json.dumps(value, separators=(",", ":"))


def dump_vector(vector: NDArray[np.float64]) -> str:
    """Return float64 (M,) as a JSON list: shortest exact decimals, NaN as null.

    An infinity, which JSON lacks, is the string "inf" or "-inf".
    """
    return dump([_number(float(value)) for value in np.asarray(vector, dtype=np.float64)])


def load_vector(text: str) -> NDArray[np.float64]:
    """Inverse of `dump_vector`, equal to the bit."""
    values = [math.nan if value is None else float(value) for value in json.loads(text)]
    return np.array(values, dtype=np.float64)


def clean_text(text: str) -> str:
    """Return text every database takes: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def trial_values(trial: Trial) -> dict[str, Any]:
    """Return the columns of `trials` that define the work."""
    architecture = trial.architecture
    return {
        "key": trial.key,
        "kind": trial.kind,
        "seed": trial.seed,
        "architecture": None if architecture is None else dump(architecture.to_dict()),
        "subset": None if trial.subset is None else dump([bool(flag) for flag in trial.subset]),
        "recipe": dump(trial.recipe),
        "parent": trial.parent,
        "payload": dump(trial.payload),
    }


def to_trial(row: Row[Any]) -> Trial:
    """Inverse of `trial_values`, at the place (stage, idx) the row was joined with."""
    kind: Kind = row.kind
    return Trial(
        kind=kind,
        stage=row.stage,
        index=row.idx,
        seed=row.seed,
        architecture=_architecture(row.architecture),
        subset=None if row.subset is None else tuple(json.loads(row.subset)),
        recipe=json.loads(row.recipe),
        parent=row.parent,
        payload=json.loads(row.payload),
    )


def observation_values(observation: Observation) -> dict[str, Any]:
    """Return the columns of `observations` that were measured."""
    return {
        "loss": dump_vector(observation.loss),
        "accuracy": dump_vector(observation.accuracy),
        "macs": int(observation.macs),
        "parameters": int(observation.parameters),
        "seconds": float(observation.seconds),
        "peak_memory": int(observation.peak_memory),
        "extra": dump(observation.extra),
    }


def to_observation(row: Row[Any]) -> Observation:
    """Inverse of `observation_values`, with its trial."""
    return Observation(
        trial=to_trial(row),
        loss=load_vector(row.loss),
        accuracy=load_vector(row.accuracy),
        macs=row.macs,
        parameters=row.parameters,
        seconds=row.seconds,
        peak_memory=row.peak_memory,
        extra=json.loads(row.extra),
    )


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else repr(value)


def _architecture(text: str | None) -> Architecture | None:
    return None if text is None else Architecture.from_dict(json.loads(text))
