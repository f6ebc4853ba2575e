"""The section on the rungs: does the quick training tell which mixtures are worth the full one."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from moesaic.report import _theme as theme
from moesaic.report._format import number, plain, whole
from moesaic.report._judge import Judgement
from moesaic.report.campaign._page_material import CampaignMaterial, mapping
from moesaic.report.campaign._page_scale import write_tick

_STRONG, _WEAK = 0.6, 0.3


def build_rungs(material: CampaignMaterial) -> dict[str, Any] | None:
    """Return what the template of this section reads; None where there was no quick rung."""
    told = mapping(material.result.get("rungs"))
    if not told and not material.has_quick_rung:
        return None
    points = [
        (mixture.quick, mixture.accuracy)
        for mixture in material.planned
        if mixture.full and mixture.quick is not None and mixture.accuracy is not None
    ]
    quick = sum(mixture.quick is not None for mixture in material.planned)
    spearman = number(told.get("spearman"))
    return {
        "quick": whole(quick),
        "both": len(points),
        "quick_epochs": material.config.get("quick_epochs"),
        "epochs": material.config.get("epochs"),
        "judgement": _judge(spearman),
        "figure": _draw(points, spearman),
    }


def _judge(spearman: float | None) -> Judgement:
    if spearman is None:
        return Judgement("open", "Too few mixtures were trained twice to tell.")
    told = f"Spearman {plain(spearman)}."
    if spearman >= _STRONG:
        return Judgement(
            "good", f"The quick rung orders mixtures much as the full one does: {told}"
        )
    if spearman >= _WEAK:
        return Judgement("open", f"The quick rung says something, but not much: {told}")
    return Judgement("bad", f"Among those promoted the quick rung says little: {told}")


def _draw(points: list[tuple[float, float]], spearman: float | None) -> Markup | None:
    if len(points) < 2:
        return None

    def plot(axes: Axes) -> None:
        x, y = zip(*points, strict=True)
        axes.plot(
            x,
            y,
            linestyle="none",
            marker="o",
            markersize=6,
            markerfacecolor=theme.INK,
            markeredgecolor=theme.PAPER,
            markeredgewidth=0.8,
        )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(write_tick))
            axis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("accuracy after the quick rung")
        axes.set_ylabel("accuracy after all epochs")
        axes.grid()

    told = "" if spearman is None else f"; Spearman {plain(spearman)}"
    return theme.draw(
        "rungs",
        f"Validation accuracy of {len(points)} mixtures after the quick rung and in full{told}",
        plot,
        width=4.6,
        height=3.4,
    )
