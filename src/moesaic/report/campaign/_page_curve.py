"""The campaign's curve: every finished mixture in the order of the plan, and the best so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from moesaic.report import _theme as theme
from moesaic.report._format import number, percent
from moesaic.report.campaign._page_material import CampaignMaterial, Planned, joined
from moesaic.report.campaign._page_scale import write_tick
from moesaic.report.campaign._page_table import rows_of, title_of

_ENDED, _FAILED = 4, 6  # places of the markers: down triangle, cross
_DASHES = ("7 3", "2 3")  # as below, for the legend


def build_curve(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads."""
    compared = _comparable(material.done)
    scores = [mixture.accuracy or 0.0 for mixture in compared]
    best = max(
        compared, key=lambda mixture: (mixture.accuracy or 0.0, -mixture.index), default=None
    )
    lines = _lines(material)
    return {
        "done": len(material.done),
        "compared": len(compared),
        "best": None if best is None else joined(best.families),
        "best_place": None if best is None else best.index + 1,
        "highest": percent(max(scores, default=None)),
        "middle": percent(float(np.median(scores)) if scores else None),
        "lowest": percent(min(scores, default=None)),
        "figure": _draw(material, compared, lines),
        "legend": _legend(material, lines),
    }


def _comparable(done: tuple[Planned, ...]) -> list[Planned]:
    """Return those trained for all epochs; where none was, all of them."""
    return [mixture for mixture in done if mixture.full] or list(done)


def _lines(material: CampaignMaterial) -> list[tuple[str, float]]:
    """Return the rivals' validation accuracies that the mixtures are drawn against."""
    rows = rows_of(material.result)
    found = [
        (title_of(name, material.experts), number(rows[name].get("validation_accuracy")))
        for name in ("single", "single_long")
        if name in rows
    ]
    return [(title, value) for title, value in found if value is not None]


def _draw(
    material: CampaignMaterial, compared: list[Planned], lines: list[tuple[str, float]]
) -> Markup | None:
    if len(material.done) < 2:
        return None
    ended = [mixture for mixture in material.done if mixture not in compared]
    scores = np.array([mixture.accuracy for mixture in compared], dtype=float)
    order = np.array([mixture.index + 1 for mixture in compared])
    best = np.maximum.accumulate(scores)
    failed = [mixture.index + 1 for mixture in material.planned if mixture.status == "failed"]
    last = max(mixture.index for mixture in material.planned) + 1

    def plot(axes: Axes) -> None:
        for place, (_, value) in enumerate(lines):
            style = (0, (6, 3)) if place == 0 else (0, (1.5, 2.5))
            axes.axhline(value, color=theme.MUTED, linewidth=1.2, linestyle=style)
        steps = np.append(order, last), np.append(best, best[-1])
        axes.step(*steps, where="post", color=theme.ACCENT, linewidth=2)
        _mark(axes, [m.index + 1 for m in ended], [m.accuracy or 0.0 for m in ended], _ENDED)
        _mark(axes, order.tolist(), scores.tolist(), 0)
        axes.plot(
            failed,
            [0.02] * len(failed),
            transform=axes.get_xaxis_transform(),
            linestyle="none",
            marker=theme.marker(_FAILED),
            markersize=5.5,
            markerfacecolor=theme.colour(5),
            markeredgecolor="none",
        )
        axes.yaxis.set_major_formatter(FuncFormatter(write_tick))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.12)
        axes.set_xlabel("mixture, in the order of the plan")
        axes.set_ylabel("validation accuracy")
        axes.grid(axis="y")

    return theme.draw(
        "campaign-curve",
        f"Validation accuracy of {len(material.done)} finished mixtures in the order of the plan; "
        f"the best rises from {percent(best[0])} to {percent(best[-1])}; {len(failed)} failed",
        plot,
        width=9.6,
        height=3.3,
    )


def _mark(axes: Axes, x: list[int], y: list[float], place: int) -> None:
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=theme.marker(place),
        markersize=6 if place == 0 else 5.5,
        markerfacecolor=theme.INK if place == 0 else theme.colour(6),
        markeredgecolor=theme.PAPER,
        markeredgewidth=0.8,
    )


def _legend(material: CampaignMaterial, lines: list[tuple[str, float]]) -> list[dict[str, Any]]:
    quick = material.has_quick_rung
    marks = [("●", "var(--ink)", "trained for all epochs" if quick else "finished mixture")]
    if any(not mixture.full for mixture in material.done) and any(m.full for m in material.done):
        marks.append((theme.glyph(_ENDED), theme.css_colour(6), "ended at the quick rung"))
    if any(mixture.status == "failed" for mixture in material.planned):
        marks.append((theme.glyph(_FAILED), theme.css_colour(5), "failed: no accuracy"))
    found: list[dict[str, Any]] = [
        {"line": False, "glyph": sign, "colour": colour, "name": name}
        for sign, colour, name in marks
    ]
    strokes = [("var(--accent)", "2.5", "", "best so far")]
    strokes += [
        ("var(--muted)", "1.6", _DASHES[place], f"{title}, {percent(value)}")
        for place, (title, value) in enumerate(lines)
    ]
    found += [
        {"line": True, "colour": colour, "width": width, "dash": dash, "name": name}
        for colour, width, dash, name in strokes
    ]
    return found
