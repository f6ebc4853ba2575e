"""The sections on what was paid and what failed, and on how to do it again."""

from __future__ import annotations

import shlex
from typing import Any

import yaml
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from moesaic.bank import Failure
from moesaic.report._format import amount, duration, percent, size_of_memory, whole
from moesaic.report._material import Material

_STAGES = (
    ("rung-", "architectures tried on all data"),
    ("specialise-", "experts trained on their clusters, with controls"),
    ("single-shape", "finding the single network's depth and resolution"),
    ("saturation", "finding out how long to train"),
    ("divide-", "finding out how to divide the data"),
    ("how-many", "finding out how many experts"),
    ("final-", "final mixture and baselines"),
    ("cascade-", "stages of cascades"),
)
_CAUSES = {
    "out_of_memory": "out of memory",
    "time_limit": "time limit",
    "diverged": "diverged",
    "build_error": "could not be built",
    "worker_died": "worker died",
    "refused": "refused before it began",
    "error": "error",
}


def cause_in_words(cause: str) -> str:
    """Return what the cause of a failure is called in a report."""
    return _CAUSES.get(cause, cause)


def build_cost(material: Material) -> dict[str, Any]:
    """Return what the template of the section on cost reads."""
    result = material.result
    cost, trials = result.get("cost") or {}, result.get("trials") or {}
    stages = [_stage(material, prefix, title) for prefix, title in _STAGES]
    return {
        "trainings": whole(cost.get("trainings", len(material.observations))),
        "training_seconds": duration(
            cost.get("training_seconds", sum(found.seconds for found in material.observations))
        ),
        "seconds": duration(result.get("seconds")),
        "samples": amount(cost.get("samples")),
        "memory": size_of_memory(cost.get("peak_memory")),
        "workers": material.config.workers,
        "done": whole(trials.get("done", len(material.observations))),
        "failed": whole(trials.get("failed", len(material.failures))),
        "lost": whole(trials.get("lost", 0)),
        "stages": [stage for stage in stages if stage["done"] or stage["failed"]],
        "failures": [_failure(failure) for failure in material.failures],
    }


def _stage(material: Material, prefix: str, title: str) -> dict[str, Any]:
    done = [found for found in material.observations if found.trial.stage.startswith(prefix)]
    failed = sum(failure.trial.stage.startswith(prefix) for failure in material.failures)
    seconds = sum(found.seconds for found in done)
    everything = sum(found.seconds for found in material.observations)
    share = seconds / everything if everything else 0.0
    return {
        "title": title,
        "done": len(done),
        "failed": failed,
        "seconds": duration(seconds),
        "share": percent(share, 0),
        "width": f"{100 * share:.1f}",
    }


def _failure(failure: Failure) -> dict[str, Any]:
    trial = failure.trial
    return {
        "stage": trial.stage,
        "index": trial.index,
        "key": trial.key,
        "cause": cause_in_words(failure.cause),
        "message": failure.message,
        "traceback": failure.traceback,
    }


def build_reproduce(material: Material) -> dict[str, Any]:
    """Return what the template of the section on reproduction reads."""
    told = material.result.get("data") or {}
    settings = {**material.config.to_dict(), "storage": without_password(material.config.storage)}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    config = str(material.folder.config_file)
    return {
        "command": f"moesaic search --config {shlex.quote(config)} --out again",
        "config": text,
        "seed": material.config.seed,
        "fingerprint": material.fingerprint or told.get("fingerprint") or "unknown",
        "run": str(material.folder.path),
        "versions": list((material.result.get("versions") or {}).items()),
        "device": material.config.device,
    }


def without_password(storage: str | None) -> str | None:
    """Return a database URL without its password: reports are mailed."""
    if storage is None:
        return None
    try:
        return make_url(storage).render_as_string(hide_password=True)
    except ArgumentError:
        return "(not shown: not a database URL)"
