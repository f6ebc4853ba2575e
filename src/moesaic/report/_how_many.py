"""The part of the search section about the number of experts; it judges no mixture."""

from __future__ import annotations

from typing import Any

from moesaic.report._format import number, percent, plain, signed
from moesaic.report._value import draw_interval


def build_how_many(told: Any) -> dict[str, Any] | None:
    """Return what the template reads; None where the number of experts was given."""
    if not isinstance(told, dict):
        return None
    found = int(told.get("found") or 1)
    return {
        "found": found,
        "trained": told.get("experts"),
        "most": told.get("most"),
        "least": percent(told.get("least_share")),
        "epochs": told.get("epochs"),
        "ways": _ways_in_words(told.get("ways") or {}),
        "rows": [_row(step) for step in told.get("steps") or []],
    }


def _ways_in_words(ways: dict[str, Any]) -> str:
    """Return "2 into 2 groups, 4 into 3", the ways to divide that were compared."""
    counts = [f"{len(ways[name])} into {name}" for name in sorted(ways, key=int)]
    if counts:
        counts[0] += " groups"
    return ", ".join(counts)


def _row(step: dict[str, Any]) -> dict[str, Any]:
    gain = step.get("gain") or {}
    values = [number(gain.get(part)) for part in ("mean", "low", "high")]
    known = [value for value in values if value is not None]
    whole = len(known) == 3
    return {
        "name": f"{step.get('from')} → {step.get('to')}",
        "trainings": " and ".join(map(str, step.get("trainings") or ["–"])),
        "loss": plain(step.get("loss"), 3),
        "mean": signed(gain.get("mean"), 3),
        "interval": f"{signed(gain.get('low'), 3)} to {signed(gain.get('high'), 3)}",
        "drawing": draw_interval(*known) if whole else "",
        "judgement": {
            "tone": "good" if step.get("pays") else "open",
            "text": "pays" if step.get("pays") else "does not pay",
        },
    }
