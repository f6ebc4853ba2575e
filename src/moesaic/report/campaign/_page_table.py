"""The final table: the best mixtures beside what they have to beat, measured once on test."""

from __future__ import annotations

from typing import Any

from moesaic.report._format import DASH, amount, duration, percent, plain, signed
from moesaic.report._judge import UNKNOWN, Judgement
from moesaic.report.campaign._page_material import CampaignMaterial, joined, mapping, records
from moesaic.report.campaign._page_scale import (
    Interval,
    describe_interval,
    draw_on,
    read_interval,
    scale_of,
)

_TITLES = {
    "mixture": "Best mixture",
    "mixture_2": "Second mixture",
    "mixture_3": "Third mixture",
    "ensemble": "Uniform ensemble",
    "single": "Best family alone",
    "single_long": "Best family, {experts}× as long",
}
_MEANINGS = {
    "mixture": "by validation accuracy",
    "ensemble": "of the best mixture's families, each trained alone; no gate",
    "single": "by validation accuracy",
    "single_long": "the same training compute as a mixture",
}
_RIVALS = ("ensemble", "single", "single_long")


def title_of(name: str, experts: int) -> str:
    """Return what a row of the final table is called."""
    return _TITLES.get(name, name).replace("{experts}", str(experts))


def rows_of(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the measured rows in the order of the report."""
    found = mapping(result.get("table"))
    known = [*_TITLES, *(name for name in found if name not in _TITLES)]
    return {name: found[name] for name in known if mapping(found.get(name))}


def build_table(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads."""
    rows = rows_of(material.result)
    handed = str(mapping(material.result.get("verdict")).get("handed_over", ""))
    intervals = {
        name: None if name == "mixture" else read_interval(row.get("mixture_ahead"))
        for name, row in rows.items()
    }
    scale = scale_of(intervals.values())
    missing = [title_of(name, material.experts) for name in _RIVALS if name not in rows]
    return {
        "rows": [
            {
                **_row(name, row, material.experts, intervals[name]),
                "handed": name == handed,
                "reference": name == "mixture",
                "drawing": draw_on(scale, intervals[name], _judge(intervals[name]).tone),
            }
            for name, row in rows.items()
        ],
        "drawn": any(interval is not None for interval in intervals.values()),
        "ends": (signed(scale.low), signed(scale.high)),
        "missing": missing,
        "baselines": material.config.get("baselines") is not False,
        "best": [
            _best(place, row) for place, row in enumerate(records(material.result.get("best")))
        ],
    }


def _row(name: str, row: dict[str, Any], experts: int, interval: Interval | None) -> dict[str, Any]:
    return {
        "title": title_of(name, experts),
        "meaning": _MEANINGS.get(name, ""),
        "families": joined(row.get("families") or []),
        "validation": percent(row.get("validation_accuracy")),
        "test": percent(row.get("test_accuracy")),
        "ahead": DASH if interval is None else signed(interval[0]),
        "interval": describe_interval(interval),
        "judgement": _judge(interval),
        "macs": amount(row.get("macs_active")),
        "parameters": amount(row.get("parameters")),
        "passes": plain(row.get("training_passes"), 0),
    }


def _judge(interval: Interval | None) -> Judgement:
    """Say from the interval whether the best mixture is ahead."""
    if interval is None:
        return UNKNOWN
    if interval[1] > 0:
        return Judgement("good", "mixture ahead")
    if interval[2] < 0:
        return Judgement("bad", "mixture behind")
    return Judgement("open", "no difference shown")


def _best(place: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "rank": place + 1,
        "families": joined(row.get("families") or []),
        "accuracy": percent(row.get("accuracy")),
        "test": percent(row.get("test_accuracy")),
        "macs": amount(row.get("macs_active")),
        "parameters": amount(row.get("parameters")),
        "seconds": duration(row.get("seconds")),
    }
