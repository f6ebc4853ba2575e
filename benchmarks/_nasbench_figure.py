"""Draws regret against trainings, and cost against observations; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks._nasbench_peers import OURS


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write a PNG file of what `benchmarks.nasbench` returned.

    Args:
        found: its figures; a panel whose part was not run is left out.
        path: the file.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = [part for part in ("search", "cost") if found.get(part)]
    figure, axes = plt.subplots(
        1, max(1, len(panels)), figsize=(6.2 * max(1, len(panels)), 4.2), squeeze=False
    )
    for part, axis in zip(panels, axes[0], strict=True):
        (_regret if part == "search" else _cost)(found, axis)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _regret(found: Mapping[str, Any], axis: Any) -> None:
    for name, curve in found["search_curves"].items():
        own = name in OURS
        (line,) = axis.plot(
            curve["trainings"], curve["median"], label=name, linewidth=2.2 if own else 1.1
        )
        if own:
            axis.fill_between(
                curve["trainings"], curve["low"], curve["high"], color=line.get_color(), alpha=0.15
            )
    axis.axhline(found["search_floor"], color="grey", linestyle=":", linewidth=1)
    axis.set_yscale("symlog", linthresh=1.0)
    axis.set_ylim(bottom=0)
    axis.set(xlabel="trainings", ylabel="regret, points of accuracy (median)")
    axis.legend(fontsize=7)


def _cost(found: Mapping[str, Any], axis: Any) -> None:
    rows = found["cost"]
    seen = [row["observations"] for row in rows]
    for key, label in (("fit_seconds", "fit"), ("propose_seconds", "proposal of 8")):
        axis.plot(seen, [row[key] for row in rows], marker="o", markersize=3, label=label)
    axis.set(xlabel="observations", ylabel="CPU seconds", xscale="log", yscale="log")
    axis.legend(fontsize=8)
