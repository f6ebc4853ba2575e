"""The section on the best mixture's router: who is used, who is dead, which cluster goes where."""

from __future__ import annotations

from math import log
from typing import Any

from moesaic.report import _theme as theme
from moesaic.report._format import listed, number, percent, plain
from moesaic.report._structure import heat
from moesaic.report.campaign._page_material import CampaignMaterial, joined, mapping, records


def build_router(material: CampaignMaterial) -> dict[str, Any] | None:
    """Return what the template of this section reads; None where nothing was measured."""
    best = next(iter(records(material.result.get("best"))), {})
    router = mapping(best.get("router"))
    if not router:
        return None
    families = [str(name) for name in best.get("families") or []]
    dead = router.get("dead")
    return {
        "families": joined(families),
        "experts": _experts(families, router),
        "dead": _dead(families, dead),
        "dead_known": dead is not None,
        "dead_below": percent(router.get("dead_below", 0.01), 0),
        "effective": plain(router.get("effective"), 2),
        "count": len(families),
        "entropy": plain(router.get("entropy"), 3),
        "most_entropy": plain(log(len(families)) if families else None, 3),
        "table": _table(families, router.get("table")),
    }


def _experts(families: list[str], router: dict[str, Any]) -> list[dict[str, Any]]:
    shares = router.get("utilisation")
    if not isinstance(shares, list):
        return []
    dead = router.get("dead")
    return [
        {
            "name": _name(families, place),
            "glyph": theme.glyph(place),
            "colour": theme.css_colour(place),
            "share": percent(share),
            "width": f"{100 * min(1.0, max(0.0, number(share) or 0.0)):.1f}",
            "dead": isinstance(dead, list) and place in dead,
        }
        for place, share in enumerate(shares)
    ]


def _name(families: list[str], place: int) -> str:
    return families[place] if place < len(families) else f"expert {place + 1}"


def _dead(families: list[str], dead: Any) -> str:
    """Name the dead experts, or say how many there are."""
    if isinstance(dead, list):
        return listed([_name(families, int(place)) for place in dead if number(place) is not None])
    count = number(dead)
    return f"{count:.0f} of {len(families)}" if count else ""


def _table(families: list[str], table: Any) -> dict[str, Any] | None:
    """Return the mean weights, cluster x expert; an empty cluster has none."""
    if not isinstance(table, list) or not table:
        return None
    rows = [row if isinstance(row, list) else [] for row in table]
    columns = max(len(row) for row in rows)
    if not columns:
        return None
    return {
        "columns": [_name(families, place) for place in range(columns)],
        "rows": [
            {"name": f"Cluster {place + 1}", "cells": [heat(number(value)) for value in row]}
            for place, row in enumerate(rows)
        ],
        "width": columns,
    }
