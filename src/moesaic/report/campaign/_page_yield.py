"""The section on which families pay: fitted effects, or plain means where none were fitted."""

from __future__ import annotations

from typing import Any

from moesaic.report._format import DASH, listed, number, percent, plain, signed
from moesaic.report._judge import UNKNOWN, Judgement
from moesaic.report.campaign._page_material import CampaignMaterial, joined, mapping, records
from moesaic.report.campaign._page_scale import (
    Interval,
    describe_interval,
    draw_on,
    read_interval,
    scale_of,
)

_ADVICE = {
    "keep": Judgement("good", "keep"),
    "drop": Judgement("bad", "leave out"),
    "measure": Judgement("open", "measure more"),
    "average": Judgement("open", "average"),
}
_MOST_PAIRS = 5


def build_yield(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads."""
    told = mapping(material.result.get("yield"))
    effects = records(told.get("effects"))
    if effects:
        return {"fitted": True, **_effects(told, effects)}
    return {"fitted": False, **_means(material)}


def _effects(told: dict[str, Any], effects: list[dict[str, Any]]) -> dict[str, Any]:
    advice = {
        **dict.fromkeys(_names(told.get("keep")), "keep"),
        **dict.fromkeys(_names(told.get("drop")), "drop"),
    }
    known = [(row, _interval(row)) for row in effects]
    known.sort(key=lambda entry: -entry[1][0] if entry[1] is not None else float("inf"))
    scale = scale_of(interval for _, interval in known)
    rows = []
    for row, interval in known:
        name = str(row.get("name", ""))
        judgement = _judge(row, interval, advice.get(name, str(row.get("verdict", ""))))
        rows.append(
            {
                "name": name,
                "effect": DASH if interval is None else signed(interval[0]),
                "interval": describe_interval(interval),
                "count": _count(row.get("n")),
                "sure": DASH if interval is None else percent(row.get("p_keep"), 0),
                "drawing": draw_on(scale, interval, judgement.tone),
                "judgement": judgement,
            }
        )
    return {
        "rows": rows,
        "keep": listed([name for name, word in advice.items() if word == "keep"]),
        "drop": listed([name for name, word in advice.items() if word == "drop"]),
        "sure_known": any(number(row.get("p_keep")) is not None for row, _ in known),
        "ends": (signed(scale.low), signed(scale.high)),
        "fit": _fit(told),
        "synergies": _pairs(told, "synergy"),
        "clashes": _pairs(told, "clash"),
    }


def _interval(row: dict[str, Any]) -> Interval | None:
    """Return an effect; None for a family in every mixture, whose effect cannot be told."""
    return None if row.get("identifiable") is False else read_interval(row)


def _names(value: Any) -> list[str]:
    """Return the names in a list of names, or of mappings that have one."""
    if not isinstance(value, list):
        return []
    return [
        str(entry.get("name", "")) if isinstance(entry, dict) else str(entry) for entry in value
    ]


def _judge(row: dict[str, Any], interval: Interval | None, advice: str) -> Judgement:
    """Return the advice that was given; without one judge the interval."""
    if row.get("identifiable") is False:
        return Judgement("open", "in every mixture: cannot be told")
    if interval is None:
        return UNKNOWN
    if advice in _ADVICE:
        return _ADVICE[advice]
    if interval[1] > 0:
        return Judgement("good", "above average")
    if interval[2] < 0:
        return Judgement("bad", "below average")
    return Judgement("open", "not shown")


def _fit(told: dict[str, Any]) -> str:
    """Say how well the effects predict mixtures that were left out."""
    scores = [
        f"{words} {plain(told.get(name))}"
        for name, words in (("loo_r2", "R²"), ("loo_spearman", "Spearman"))
        if number(told.get(name)) is not None
    ]
    return ", ".join(scores)


def _pairs(told: dict[str, Any], verdict: str) -> str:
    """Name the pairs that surely add more, or less, than their two families; strongest first."""
    found = [
        (points, joined(row.get("names") or []))
        for row in records(told.get("pairs"))
        if row.get("verdict") == verdict and (points := number(row.get("mean"))) is not None
    ]
    found.sort(key=lambda entry: (-abs(entry[0]), entry[1]))
    shown = [f"{name} ({signed(100 * points)})" for points, name in found[:_MOST_PAIRS]]
    more = len(found) - len(shown)
    return f"{', '.join(shown)} and {more} more" if more else listed(shown)


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
