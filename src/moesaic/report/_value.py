"""The section on what a mixture is worth: each value with its interval and a plain verdict."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from moesaic.report._format import DASH, number, signed
from moesaic.report._judge import interval_above_zero
from moesaic.report._material import Material

_MEANINGS = {
    "heterogeneity": (
        "Different architectures",
        "the best architecture for every cluster against the best one for all, both trained on "
        "all data; half of the samples choose, the other half measure",
    ),
    "specialisation": (
        "Specialisation",
        "an expert continued on its own clusters against the same continued on everything, "
        "measured on its own clusters",
    ),
    "gate": (
        "The gate",
        "copies of the best architecture behind the taught gate against the best single network "
        "of the same inference cost, on the test split",
    ),
    "different_experts": (
        "Searched experts",
        "the searched, different experts against copies of the best architecture, same gate, on "
        "the test split",
    ),
}
_UNITS = {"nats": ("nats", 1.0, 3), "accuracy": ("points", 100.0, 1)}
_WIDTH, _HEIGHT, _PAD = 180.0, 26.0, 10.0


def build_value(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    found = material.result.get("value") or {}
    names = [*_MEANINGS, *(name for name in found if name not in _MEANINGS)]
    rows = [_row(name, found.get(name)) for name in names]
    return {"rows": rows, "measured": any(row["known"] for row in rows)}


def _row(name: str, interval: dict[str, Any] | None) -> dict[str, Any]:
    title, meaning = _MEANINGS.get(name, (name.replace("_", " "), ""))
    interval = interval or {}
    unit, scale, digits = _UNITS.get(str(interval.get("unit")), (str(interval.get("unit")), 1.0, 3))
    values = [number(interval.get(part)) for part in ("mean", "low", "high")]
    known = [value * scale for value in values if value is not None]
    whole = len(known) == 3
    return {
        "title": title,
        "meaning": meaning,
        "known": whole,
        "mean": f"{signed(known[0], digits)} {unit}" if whole else DASH,
        "interval": f"{signed(known[1], digits)} to {signed(known[2], digits)}" if whole else "",
        "judgement": interval_above_zero(interval if whole else None),
        "drawing": draw_interval(*known) if whole else Markup(""),
    }


def draw_interval(mean: float, low: float, high: float) -> Markup:
    """Draw one interval on a line whose zero is marked; the scale is the row's own.

    Args:
        mean: the estimate.
        low: where its interval begins.
        high: where it ends.
    """
    reach = max(abs(mean), abs(low), abs(high)) or 1.0
    middle, half = _WIDTH / 2, _WIDTH / 2 - _PAD

    def at(value: float) -> float:
        return middle + half * value / reach

    y = _HEIGHT / 2
    return Markup(
        '<svg class="interval" aria-hidden="true" width="{w:.0f}" viewBox="0 0 {w:.0f} {h:.0f}">'
        '<path class="axis" d="M{pad:.0f} {y:.0f}H{end:.0f}"/>'
        '<path class="zero" d="M{middle:.1f} 3V{foot:.0f}"/>'
        '<path class="reach" d="M{low:.1f} {y:.0f}H{high:.1f}"/>'
        '<circle class="mean" cx="{mean:.1f}" cy="{y:.0f}" r="4.5"/></svg>'
    ).format(
        w=_WIDTH,
        h=_HEIGHT,
        pad=_PAD,
        end=_WIDTH - _PAD,
        y=y,
        middle=middle,
        foot=_HEIGHT - 3,
        low=at(low),
        high=at(high),
        mean=at(mean),
    )
