"""The sections on what a campaign cost and on how to run it again."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import yaml

from moesaic.config import CampaignConfig
from moesaic.report._cost import without_password
from moesaic.report._format import DASH, duration, number, percent, plain, size_of_memory, whole
from moesaic.report.campaign._page_material import CampaignMaterial, mapping, records

_WORD = re.compile(r"[A-Za-z][\w./-]*")
_OPTIONS = (
    *("data", "image_size", "pool", "experts", "planner", "candidates", "epochs", "quick_epochs"),
    *("promote", "preset", "top_k", "budget", "trial_timeout", "max_memory", "retry_policy"),
    *("seed", "workers", "device", "executor", "address", "storage"),
)


def build_cost(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of the section on cost reads."""
    cost = mapping(material.result.get("cost"))
    forecast = mapping(material.result.get("forecast"))
    singles = records(material.result.get("singles"))
    seconds = number(cost.get("training_seconds"))
    alone = sum(number(row.get("seconds")) or 0.0 for row in singles)
    workers = number(material.config.get("workers"))
    return {
        "trainings": whole(cost.get("trainings")),
        "singles": len(singles),
        "training_seconds": duration(seconds),
        "alone_seconds": duration(alone) if singles else DASH,
        "alone_share": percent(alone / seconds if seconds else None, 0),
        "seconds": duration(material.result.get("seconds")),
        "has_seconds": number(material.result.get("seconds")) is not None,
        "workers": None if workers is None else int(workers),
        "memory": size_of_memory(cost.get("peak_memory")),
        "forecast_memory": plain(forecast.get("memory"), 2),
        "forecast_seconds": plain(forecast.get("seconds"), 2),
        "forecast": bool(forecast),
    }


def build_reproduce(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of the section on reproduction reads."""
    settings = _shown(material.config)
    told = mapping(material.result.get("data"))
    return {
        "command": command_of(settings),
        "by_file": shlex.join(
            ["moesaic", "campaign", "--config", str(material.folder.config_file), "--out", "again"]
        ),
        "config": yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
        "plugins": [str(path) for path in settings.get("plugins") or []],
        "seed": settings.get("seed", DASH),
        "device": settings.get("device", DASH),
        "fingerprint": str(told.get("fingerprint") or "unknown"),
        "versions": list(mapping(material.result.get("versions")).items()),
        "run": str(material.folder.path),
        "known": bool(settings),
    }


def _shown(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without the password of a database."""
    storage = config.get("storage")
    if storage is None:
        return config
    return {**config, "storage": without_password(str(storage))}


def command_of(settings: dict[str, Any]) -> str:
    """Return the command line that gives these settings; what is as by default is left out.

    Args:
        settings: of a campaign, as result.json holds them.
    """
    default = CampaignConfig().to_dict()
    changed = {
        name: value
        for name, value in settings.items()
        if name != "kind" and value is not None and value != default.get(name)
    }
    words = ["moesaic", "campaign"]
    for name in _OPTIONS:
        if name in changed:
            words += [f"--{name.replace('_', '-')}", _plain(changed.pop(name))]
    for path in changed.pop("plugins", []):
        words += ["--plugin", str(path)]
    if changed.pop("baselines", True) is False:
        words.append("--no-baselines")
    for name, value in _leaves(changed, default):
        words += ["--set", f"{name}={_assigned(value)}"]
    return shlex.join(words)


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _leaves(values: dict[str, Any], default: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what differs from the default, nested names joined by points."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        usual = default.get(name)
        if isinstance(value, dict):
            inner = _leaves(value, usual if isinstance(usual, dict) else {})
            found += [(f"{name}.{leaf}", deep) for leaf, deep in inner]
        elif value != usual:
            found.append((name, value))
    return found


def _assigned(value: Any) -> str:
    """Write a value so that YAML reads the same back."""
    if isinstance(value, str) and _WORD.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
