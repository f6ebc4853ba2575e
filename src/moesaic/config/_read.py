"""Settings as words: YAML files, `name=value` and durations; it knows no field of a run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from moesaic.errors import InputError


def parse_duration(text: str) -> float:
    """Return the seconds in a duration such as 90, 45s, 5m or 2h.

    Raises:
        ValueError: the text is not a duration.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write seconds, or a number with s, m or h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def load_config(path: Path) -> dict[str, Any]:
    """Read the settings in a YAML file.

    Raises:
        InputError: no such file, or not a mapping of names to values.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        twice = _given_twice(yaml.compose(text, yaml.SafeLoader))
    except FileNotFoundError:
        raise InputError(f"no configuration file {path}: check the path after --config") from None
    except IsADirectoryError:
        raise InputError(
            f"cannot read the configuration {path}: it is a directory; give a file, of a run it is "
            f"{path / 'config.yaml'}"
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise InputError(f"cannot read the configuration {path}: {reason}") from None
    except UnicodeDecodeError:
        raise InputError(
            f"cannot read the configuration {path}: it is no text; expected lines of 'name: value'"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # no such date; nested deep
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        why = getattr(error, "problem", None) or "it is no YAML"
        raise InputError(
            f"cannot read the configuration {path}{where}: {why}; expected lines of 'name: value'"
        ) from None
    if twice is not None:
        raise InputError(f"{path} gives {twice} twice: keep one of them")
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} holds {type(values).__name__}, expected lines of 'name: value'")
    return values


def _given_twice(root: Any) -> str | None:
    """Return a name that a mapping in a YAML tree holds twice, of which the last would win.

    A hyphen in a name is an underscore, as on the command line.
    """
    waiting, looked_at = [root], set()
    while waiting:
        node = waiting.pop()
        children = getattr(node, "value", None)
        # an alias leads to a node again, even to one that it lies in
        if not isinstance(children, list) or id(node) in looked_at:
            continue
        looked_at.add(id(node))
        names = [str(one[0].value).replace("-", "_") for one in children if isinstance(one, tuple)]
        for place, name in enumerate(names):
            if name in names[:place]:
                return name
        waiting += [one[1] if isinstance(one, tuple) else one for one in children]
    return None


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Turn words such as `recipe.lr=0.01` into nested settings.

    Raises:
        InputError: a word without `=`.
    """
    import yaml

    values: dict[str, Any] = {}
    for word in assignments:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes name=value, given {word!r}: for example recipe.lr=0.01")
        target = values
        *parents, leaf = name.strip().split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise InputError(f"--set gives both {parent} and {name}: keep one of them")
        try:
            target[leaf] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            target[leaf] = text
    return values


def merge_settings(*layers: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings in which later layers win."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, dict) and isinstance(merged.get(name), dict):
                merged[name] = merge_settings(merged[name], value)
            else:
                merged[name] = value
    return merged
