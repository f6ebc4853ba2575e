"""The section on which families pay: effects with intervals, plain means where none were fitted."""

from __future__ import annotations

from typing import Any

from moesaic.report._format import DASH, listed, number, percent, signed
from moesaic.report._judge import UNKNOWN, Judgement
from moesaic.report.campaign._page_material import CampaignMaterial, mapping, records
from moesaic.report.campaign._page_scale import (
    Interval,
    describe_interval,
    draw_on,
    read_interval,
    scale_of,
)


def build_yield(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads."""
    told = mapping(material.result.get("yield"))
    effects = records(told.get("effects"))
    if effects:
        return {"fitted": True, **_effects(told, effects)}
    return {"fitted": False, **_means(material)}


def _effects(told: dict[str, Any], effects: list[dict[str, Any]]) -> dict[str, Any]:
    keep, drop = _names(told.get("keep")), _names(told.get("drop"))
    known = [(row, read_interval(row)) for row in effects]
    known.sort(key=lambda entry: -entry[1][0] if entry[1] is not None else float("inf"))
    scale = scale_of(interval for _, interval in known)
    rows = []
    for row, interval in known:
        name = str(row.get("name", ""))
        judgement = _judge(interval)
        rows.append(
            {
                "name": name,
                "effect": DASH if interval is None else signed(interval[0]),
                "interval": describe_interval(interval),
                "count": _count(row.get("n")),
                "drawing": draw_on(scale, interval, judgement.tone),
                "judgement": judgement,
                "advice": "keep" if name in keep else "leave out" if name in drop else "",
            }
        )
    return {
        "rows": rows,
        "keep": listed(keep),
        "drop": listed(drop),
        "ends": (signed(scale.low), signed(scale.high)),
    }


def _names(value: Any) -> list[str]:
    """Return the names in a list of names, or of mappings that have one."""
    if not isinstance(value, list):
        return []
    return [
        str(entry.get("name", "")) if isinstance(entry, dict) else str(entry) for entry in value
    ]


def _judge(interval: Interval | None) -> Judgement:
    if interval is None:
        return UNKNOWN
    if interval[1] > 0:
        return Judgement("good", "pays")
    if interval[2] < 0:
        return Judgement("bad", "costs accuracy")
    return Judgement("open", "not shown")


def _count(value: Any) -> str:
    known = number(value)
    return DASH if known is None else f"{known:.0f}"


def _means(material: CampaignMaterial) -> dict[str, Any]:
    """Compare the mean accuracy of each family's mixtures with that of all."""
    scores = [mixture.accuracy or 0.0 for mixture in material.done]
    everything = sum(scores) / len(scores) if scores else 0.0
    found = []
    for row in records(material.result.get("families")):
        mean = number(row.get("mean_accuracy"))
        if mean is not None:
            found.append((str(row.get("name", "")), mean, row.get("done")))
    found.sort(key=lambda entry: (-entry[1], entry[0]))
    ahead: list[Interval] = [(100 * (mean - everything),) * 3 for _, mean, _ in found]
    scale = scale_of(ahead)
    return {
        "rows": [
            {
                "name": name,
                "mean": percent(mean),
                "ahead": signed(points[0]),
                "count": _count(count),
                "drawing": draw_on(scale, points),
            }
            for (name, mean, count), points in zip(found, ahead, strict=True)
        ],
        "everything": percent(everything) if scores else DASH,
        "mixed": material.has_quick_rung and any(not mixture.full for mixture in material.done),
        "ends": (signed(scale.low), signed(scale.high)),
    }
