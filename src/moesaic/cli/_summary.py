"""The end of a search in words: verdict, variants, where things are; it computes nothing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moesaic.cli._output import pairs, table


def describe_result(result: Mapping[str, Any]) -> str:
    """Return what a person reads when a search is done.

    Args:
        result: what result.json holds.
    """
    verdict = result["verdict"]
    rows: dict[str, Mapping[str, Any]] = dict(result["baselines"])
    if result.get("mixture"):
        rows["mixture"] = result["mixture"]
    handed = verdict["handed_over"]
    order = sorted(rows, key=lambda name: (name != handed, -rows[name]["test_accuracy"]))
    listed = table(
        ["variant", "test accuracy", "active MACs", "passes", "points against *"],
        [[_marked(name, handed), *_cells(rows[name], name == handed)] for name in order],
    )
    folder = Path(result["run"])
    exported = "not_exported" not in (result.get("model") or {})
    places = {
        "model": str(folder / "model" / ("model.pt2" if exported else "")),
        "report": str(folder / "report.html"),
        "result": str(folder / "result.json"),
    }
    return "\n\n".join([describe_verdict(verdict), f"{listed}\n{_legend(rows)}", pairs(places)])


def describe_verdict(verdict: Mapping[str, Any]) -> str:
    """Return the sentence of a verdict and, below it, what a reader must know of it."""
    return "\n".join(filter(None, [verdict["sentence"], verdict.get("note")]))


def _marked(name: str, handed: str) -> str:
    return f"* {name}" if name == handed else f"  {name}"


def _cells(row: Mapping[str, Any], reference: bool) -> list[str]:
    accuracy = f"{100 * row['test_accuracy']:.1f} %"
    repeats = row.get("test_accuracies") or []
    if len(repeats) > 1:
        accuracy += f" +- {100 * statistics.stdev(repeats):.1f}"
    behind = row.get("behind_reference")
    difference = "-"
    if behind and not reference:
        # how far it is ahead is how far the reference is behind
        mean, low, high = (-100 * behind[name] for name in ("mean", "high", "low"))
        difference = f"{_signed(mean)} ({_signed(low)} to {_signed(high)})"
    return [accuracy, f"{row['macs_active']:,}", f"{row['training_passes']:.1f}", difference]


def _signed(points: float) -> str:
    return f"{round(points, 1) + 0.0:+.1f}"


def _legend(rows: Mapping[str, Mapping[str, Any]]) -> str:
    repeats = max(len(row.get("test_accuracies") or []) for row in rows.values())
    spread = f"; +- is the standard deviation of {repeats} repeats" if repeats > 1 else ""
    return (
        "* is handed over; points of test accuracy against it, with 95 % interval\n"
        f"a pass is one network trained once over all training samples{spread}"
    )
