"""The section on the variants: the table and the picture of what the mixture competes with."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from moesaic.report import _theme as theme
from moesaic.report._format import (
    DASH,
    amount,
    duration,
    listed,
    number,
    percent,
    plain,
    signed,
)
from moesaic.report._material import Material

_TOLERANCE = 0.05
ORDER = ("mixture", "homogeneous", "random", "single", "single_long", "ensemble", "oracle")


def title_of(name: str, experts: int) -> str:
    """Return what a variant is called in the report."""
    return {
        "mixture": "Searched mixture",
        "single": "Single network",
        "single_long": f"Single network, {experts}× as long",
        "homogeneous": "Mixture of copies",
        "random": "Mixture of random experts",
        "ensemble": f"Ensemble of {experts}",
        "oracle": "Oracle routing",
    }.get(name, name)


def _meaning_of(name: str, experts: int) -> str:
    return {
        "mixture": "the experts the search chose, joined by a taught gate",
        "single": "the best architecture alone, as wide as the mixture is costly",
        "single_long": f"the same network trained for {experts} times as many epochs",
        "homogeneous": f"{experts} copies of the best architecture, same gate",
        "random": f"{experts} different architectures drawn at random, same gate",
        "ensemble": f"{experts} single networks from different seeds, all run, averaged",
        "oracle": "told the true source of every sample: not available in use",
    }.get(name, "")


def rows_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the measured variants in the order of the report."""
    found = {"mixture": result.get("mixture"), **(result.get("baselines") or {})}
    known = [*ORDER, *(name for name in found if name not in ORDER)]
    return {name: found[name] for name in known if found.get(name)}


def build_variants(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    result = material.result
    experts = len(material.experts)
    handed = str((result.get("verdict") or {}).get("handed_over", ""))
    variants = rows_of(result)
    repeats = max((len(row.get("test_accuracies") or []) for row in variants.values()), default=0)
    rows = [_row(name, row, experts, handed) for name, row in variants.items()]
    missing = [title_of(name, experts) for name in ORDER if name not in variants]
    return {
        "rows": rows,
        "handed": title_of(handed, experts),
        "repeats": repeats,
        "planned": material.config.repeats,
        "epochs": result.get("epochs"),
        "missing": missing,
        "baselines": material.config.baselines,
        "dearer": _unmatched(variants, result.get("target_macs"), experts),
        **_figure(variants, experts, handed),
    }


def _unmatched(variants: dict[str, dict[str, Any]], target: Any, experts: int) -> str:
    """Name the variants whose answer does not cost what it should, within 5 %."""
    goal = number(target)
    if not goal:
        return ""
    found = []
    for name, row in variants.items():
        macs = number(row.get("macs_active"))
        if macs is not None and abs(macs / goal - 1) > _TOLERANCE:
            found.append(f"{title_of(name, experts)} ({signed(100 * (macs / goal - 1), 0)} %)")
    return listed(found)


def gap_to_handed(row: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return variant - handed-over in points of accuracy, with its interval, if known."""
    behind = row.get("behind_reference") or {}
    known = [number(behind.get(part)) for part in ("mean", "low", "high")]
    mean, low, high = known
    if mean is None or low is None or high is None:
        return None
    return -100 * mean, -100 * high, -100 * low


def _row(name: str, row: dict[str, Any], experts: int, handed: str) -> dict[str, Any]:
    gap = gap_to_handed(row)
    every = [percent(value) for value in row.get("test_accuracies") or []]
    return {
        "title": title_of(name, experts),
        "meaning": _meaning_of(name, experts),
        "handed": name == handed,
        "accuracy": percent(row.get("test_accuracy")),
        "every": every if len(every) > 1 else [],
        "gap": DASH if gap is None else signed(gap[0]),
        "interval": "" if gap is None else f"{signed(gap[1])} to {signed(gap[2])}",
        "macs": amount(row.get("macs_active")),
        "parameters": amount(row.get("parameters")),
        "passes": plain(row.get("training_passes"), 0),
        "seconds": duration(row.get("training_seconds")),
    }


def _figure(variants: dict[str, dict[str, Any]], experts: int, handed: str) -> dict[str, Any]:
    """Draw the differences; `clipped` tells whether an interval leaves the picture."""
    gaps = {name: gap_to_handed(row) for name, row in variants.items()}
    known = {name: gap for name, gap in gaps.items() if gap is not None}
    if len(known) < 2:
        return {"figure": None, "clipped": False}
    left, right = _reach(list(known.values()))

    def plot(axes: Axes) -> None:
        for place, (name, (mean, low, high)) in enumerate(known.items()):
            ours = name == handed
            shade = theme.ACCENT if ours else theme.INK
            axes.plot(
                [max(low, left), min(high, right)],
                [place, place],
                color=shade,
                linewidth=2,
                solid_capstyle="round",
            )
            for beyond, edge, arrow in ((low < left, left, "<"), (high > right, right, ">")):
                if beyond:
                    axes.plot([edge], [place], marker=arrow, color=shade, markersize=6)
            axes.plot([mean], [place], marker="D" if ours else "o", color=shade, markersize=7)
            axes.annotate(
                title_of(name, experts),
                (0, place),
                xycoords=("axes fraction", "data"),
                xytext=(0, 8),
                textcoords="offset points",
                color=theme.ACCENT if ours else theme.INK,
                bbox={"facecolor": theme.PAPER, "edgecolor": "none", "pad": 1.5},
            )
        axes.axvline(0, color=theme.ACCENT, linewidth=1, linestyle=(0, (3, 3)))
        axes.set_ylim(len(known) - 0.6, -0.75)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.margins(x=0.08)
        axes.set_xlabel("points of test accuracy against what is handed over")

    told = "; ".join(
        f"{title_of(name, experts)} {signed(mean)} ({signed(low)} to {signed(high)})"
        for name, (mean, low, high) in known.items()
    )
    drawn: Markup = theme.draw(
        "variants",
        f"Difference to what is handed over, in points of test accuracy: {told}",
        plot,
        width=5.2,
        height=0.7 + 0.52 * len(known),
    )
    clipped = any(low < left or high > right for _, low, high in known.values())
    return {"figure": drawn, "clipped": clipped}


def _reach(gaps: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Return how far the picture goes, so that one very wide interval does not flatten the rest."""
    halves = sorted((high - low) / 2 for _, low, high in gaps if high > low)
    room = 2.5 * halves[len(halves) // 2] if halves else 1.0
    left = max(min(low for _, low, _ in gaps), min(mean for mean, _, _ in gaps) - room)
    right = min(max(high for _, _, high in gaps), max(mean for mean, _, _ in gaps) + room)
    return left, right
