"""Trials and observations as plain records; it does not store them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moesaic.spaces import Architecture

Kind = Literal["expert", "mixture"]
Status = Literal["planned", "running", "done", "failed"]
CAUSES = (
    "out_of_memory",
    "time_limit",
    "diverged",
    "build_error",
    "worker_died",
    "refused",
    "error",
)


@dataclass(frozen=True)
class Trial:
    """One training that was planned.

    Attributes:
        kind: `expert` (one architecture) or `mixture` (gate and experts).
        stage: the stage of the run that planned it ("rung0", "specialise", "final", ...).
        index: its place in that stage; (stage, index) is unique in a run.
        seed: seeds its weights and batches.
        architecture: the expert's architecture; None for a mixture.
        subset: clusters it was trained on, M booleans, or None for all of them.
        recipe: everything about how it is trained, JSON-able.
        parent: key of the trial whose weights it starts from, or None.
        payload: whatever else defines it (a mixture's experts and routing, ...), JSON-able.
    """

    kind: Kind
    stage: str
    index: int
    seed: int
    architecture: Architecture | None = None
    subset: tuple[bool, ...] | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    parent: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """16 hex digits: equal for the same work, whatever stage or index asked for it."""
        work = {
            "kind": self.kind,
            "seed": self.seed,
            "architecture": None if self.architecture is None else self.architecture.key,
            "subset": self.subset,
            "recipe": self.recipe,
            "parent": self.parent,
            "payload": self.payload,
        }
        text = json.dumps(work, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Observation:
    """What a finished trial measured on the validation split, cluster by cluster.

    Attributes:
        trial: the trial that was run.
        loss: float64 (M,), mean cross-entropy in nats; NaN where a cluster has no sample.
        accuracy: float64 (M,), share of right answers; NaN where a cluster has no sample.
        macs: multiply-accumulates for one sample (a mixture: expected, gate counted).
        parameters: number of trainable parameters.
        seconds: wall time of the training.
        peak_memory: bytes the worker's memory grew by at its highest, 0 when not measured.
        extra: other measured numbers (learning curve, routing use, ...), JSON-able.
    """

    trial: Trial
    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    macs: int
    parameters: int
    seconds: float
    peak_memory: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
