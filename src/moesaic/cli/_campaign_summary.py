"""The end of a campaign in words: mixtures, rivals, failures, coverage; it computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moesaic.cli._output import pairs, table

_NAMES = {
    "mixture": "best mixture",
    "mixture_2": "second mixture",
    "mixture_3": "third mixture",
    "ensemble": "uniform ensemble of the same families",
    "single": "best family alone",
    "single_long": "the same, trained K times as long",
}
_SHOWN = 5


def describe_campaign(result: Mapping[str, Any]) -> str:
    """Return what a person reads when a campaign is done.

    Args:
        result: what result.json holds.
    """
    folder = Path(result["run"])
    exported = "not_exported" not in (result.get("model") or {})
    places = {
        "model": str(folder / "model" / ("model.pt2" if exported else "")),
        "report": str(folder / "report.html"),
        "result": str(folder / "result.json"),
    }
    parts = [
        result["verdict"]["sentence"],
        _rows(result["table"]),
        pairs(
            {
                "mixtures": describe_account(result["trials"]),
                "coverage": describe_coverage(result["coverage"]),
                **_yield(result),
            }
        ),
        pairs(places),
    ]
    return "\n\n".join(parts)


def describe_account(trials: Mapping[str, Any]) -> str:
    """Return the account of a campaign's mixtures in one line."""
    failed = sum(trials["failed"].values())
    causes = ", ".join(f"{count} {cause}" for cause, count in trials["failed"].items())
    words = [f"{trials['planned']} planned", f"{trials['done']} done"]
    words.append(f"{failed} failed ({causes})" if failed else "0 failed")
    words += [f"{trials[name]} {text}" for name, text in _STATES.items() if trials.get(name)]
    return ", ".join(words)


_STATES = {"running": "running", "lost": "lost", "not_begun": "not begun", "retried": "tried again"}


def describe_coverage(coverage: Mapping[str, Any]) -> str:
    """Return the coverage of a campaign in one line."""
    return (
        f"{coverage['candidates']:,} of {coverage['space']:,} mixtures "
        f"({100 * coverage['share']:.2f} %), every family in "
        f"{coverage['family_count_min']} to {coverage['family_count_max']} of them, every pair "
        f"in {coverage['pair_count_min']} to {coverage['pair_count_max']}"
    )


def _yield(result: Mapping[str, Any]) -> dict[str, str]:
    effects = result.get("yield")
    if not effects:
        return {}
    known = [row for row in effects["effects"] if row.get("identifiable", True)]
    best = [row for row in known if row["mean"] > 0][:_SHOWN]
    worst = [row for row in reversed(known) if row["mean"] < 0][:_SHOWN]
    shown = {"families that pay": best, "families that do not": worst}
    return {
        title: ", ".join(f"{row['name']} {100 * row['mean']:+.1f}" for row in rows)
        for title, rows in shown.items()
        if rows
    }


def _rows(rows: Mapping[str, Mapping[str, Any]]) -> str:
    cells = []
    for name, row in rows.items():
        gain = row["mixture_ahead"]
        ahead = "-"
        if name != "mixture":
            mean, low, high = (100 * gain[key] for key in ("mean", "low", "high"))
            ahead = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
        cells.append(
            [
                _NAMES.get(name, name),
                " + ".join(row["families"]),
                f"{100 * row['validation_accuracy']:.1f} %",
                f"{100 * row['test_accuracy']:.1f} %",
                f"{row['macs_active']:,}",
                f"{row['training_passes']:.0f}",
                ahead,
            ]
        )
    head = ["", "families", "validation", "test", "active MACs", "passes", "mixture ahead, points"]
    listed = table(head, cells, numbers=2)
    return (
        f"{listed}\nmixtures were chosen by validation; a pass is one network trained once over "
        "all training samples; 95 % intervals"
    )
