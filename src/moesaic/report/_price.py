"""The section on the price of compute: wrong answers against cost, and what sizes save."""

from __future__ import annotations

import shlex
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from moesaic.report import _theme as theme
from moesaic.report._format import amount, number, percent
from moesaic.report._material import Material


def build_price(material: Material) -> dict[str, Any] | None:
    """Return what the template of this section reads; None for a search without a price."""
    told = material.result.get("price")
    if not isinstance(told, dict):
        return None
    chosen = told.get("chosen") or {}
    rows = [_row(row) for row in told.get("equal_accuracy") or []]
    saved = [number(row.get("saving")) for row in told.get("equal_accuracy") or []]
    return {
        "price": None if told.get("price") is None else f"{told['price']:g}",
        "unit": str(told.get("unit", "")),
        "limit": None if told.get("max_macs") is None else amount(told["max_macs"]),
        "macs": amount(chosen.get("macs")),
        "error": percent(chosen.get("error")),
        "gate": amount(told.get("gate_macs")),
        "gates": _gates(told.get("gate")),
        "points": len(told.get("front") or []),
        "rows": rows,
        "best": percent(saved[-1], 0) if saved else None,
        "figure": _figure(told),
        "cascade": _cascade(material),
    }


def _cascade(material: Material) -> str | None:
    """Return the command that makes a cascade of the sizes that were tried, None without any."""
    last = f"-{material.config.rounds}"  # sizes follow the last round of specialisation
    stages = {found.trial.stage for found in material.observations}
    if not any(one.startswith("specialise-") and one.endswith(last) for one in stages):
        return None
    path = str(material.folder.path)
    return shlex.join(["moesaic", "cascade", path, "--out", f"{path}-cascade"])


def _gates(told: Any) -> str | None:
    """Return in words how often gates of every size name the expert of a sample rightly."""
    tried = told.get("tried") if isinstance(told, dict) else None
    if not tried:
        return None
    return ", ".join(
        f"{percent(one.get('right'))} at {amount(one.get('macs'))} MACs" for one in tried
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "error": percent(row.get("error")),
        "homogeneous": amount(row.get("homogeneous_macs")),
        "mixture": amount(row.get("macs")),
        "saving": percent(row.get("saving"), 0),
    }


def _points(told: dict[str, Any], name: str) -> list[tuple[float, float]]:
    found = [(number(p.get("macs")), number(p.get("error"))) for p in told.get(name) or []]
    return [(macs, error) for macs, error in found if macs is not None and error is not None]


def _figure(told: dict[str, Any]) -> Markup | None:
    """Draw the three fronts as steps: between two points the cheaper one is what can be had."""
    lines = (
        ("front", "all experts, specialists too", theme.ACCENT, "-", "o"),
        ("generalists", "different generalists", theme.INK, "-", "s"),
        ("homogeneous", "copies of one generalist", theme.MUTED, (0, (4, 3)), "^"),
    )
    known = {name: _points(told, name) for name, *_ in lines}
    if sum(map(len, known.values())) < 2:
        return None
    chosen = _points({"chosen": [told.get("chosen") or {}]}, "chosen")

    def plot(axes: Axes) -> None:
        for name, title, shade, style, marker in lines:
            if known[name]:
                macs, errors = zip(*known[name], strict=True)
                axes.step(
                    [value / 1e6 for value in macs],
                    [100 * value for value in errors],
                    where="post",
                    color=shade,
                    linestyle=style,
                    linewidth=1.6,
                    marker=marker,
                    markersize=4,
                    label=title,
                )
        for macs_of_one, error in chosen:
            axes.plot(
                [macs_of_one / 1e6],
                [100 * error],
                linestyle="none",
                marker="D",
                markersize=8,
                color=theme.ACCENT,
                label="chosen",
            )
        axes.set_xscale("log")
        # 0.1, 0.2, 0.5, 1: powers of ten would be written as formulas, which figures do not have
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("expected MACs of one sample, millions, gate counted")
        axes.set_ylabel("wrong answers on validation, in the bank (%)")
        axes.grid()
        # above the axes: it would hide one of the lines in them
        axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)

    told_points = "; ".join(
        f"{amount(macs)} MACs {percent(error)}" for macs, error in known["front"]
    )
    return theme.draw(
        "price",
        f"Wrong answers against expected MACs of one sample; the front of the bank: {told_points}",
        plot,
        width=5.6,
        height=3.8,
    )
