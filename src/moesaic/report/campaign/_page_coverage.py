"""Coverage: how often every family and every pair of families was planned and done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from moesaic.report._format import listed
from moesaic.report.campaign._page_material import CampaignMaterial
from moesaic.report.campaign._page_pairs import Counts, Pair, draw_pairs

_NAMED = 12
_BESIDE = 10  # families whose pairs fit beside the bars


def count_families(mixtures: Iterable[Sequence[str]], pool: Sequence[str]) -> dict[str, int]:
    """Count the mixtures that hold each family of the pool, in its order."""
    counts = dict.fromkeys(pool, 0)
    for families in mixtures:
        for name in dict.fromkeys(families):
            counts[name] += 1
    return counts


def count_pairs(mixtures: Iterable[Sequence[str]], pool: Sequence[str]) -> Counts:
    """Count the mixtures that hold each pair of families, the earlier in the pool first."""
    place = {name: number for number, name in enumerate(pool)}
    counts = dict.fromkeys(combinations(pool, 2), 0)
    for families in mixtures:
        for pair in combinations(sorted(set(families), key=place.__getitem__), 2):
            counts[pair] += 1
    return counts


def build_coverage(material: CampaignMaterial) -> dict[str, Any] | None:
    """Return what the template of this section reads; None without a plan."""
    if not material.planned:
        return None
    pool = material.pool
    planned = [mixture.families for mixture in material.planned]
    done = [mixture.families for mixture in material.done]
    of_plan, of_done = count_families(planned, pool), count_families(done, pool)
    pairs_of_plan, pairs_of_done = count_pairs(planned, pool), count_pairs(done, pool)
    unmet = [pair for pair, count in pairs_of_done.items() if not count]
    return {
        "families": _bars(of_plan, of_done),
        "beside": len(pool) <= _BESIDE,
        "never_done": listed([name for name, count in of_done.items() if not count]),
        "figure": draw_pairs(pool, pairs_of_plan, pairs_of_done),
        "lines": _lines(pool, pairs_of_plan, pairs_of_done),
        "pairs": len(pairs_of_done),
        "pairs_done": len(pairs_of_done) - len(unmet),
        "pairs_planned": sum(count > 0 for count in pairs_of_plan.values()),
        "planned_range": _range(pairs_of_plan),
        "done_range": _range(pairs_of_done),
        "unmet": _named(unmet),
        "unmet_planned": sum(pairs_of_plan[pair] > 0 for pair in unmet),
        "planner": str(material.config.get("planner", "")),
        "sentence": _spread(of_done),
    }


def _bars(planned: dict[str, int], done: dict[str, int]) -> list[dict[str, Any]]:
    most = max(planned.values(), default=0) or 1
    return [
        {
            "name": name,
            "planned": count,
            "done": done[name],
            "done_width": f"{100 * done[name] / most:.1f}",
            "rest_width": f"{100 * max(0, count - done[name]) / most:.1f}",
        }
        for name, count in planned.items()
    ]


def _lines(pool: Sequence[str], planned: Counts, done: Counts) -> list[dict[str, str]]:
    """Return every pair in words, a line for the earlier of both."""
    return [
        {
            "name": name,
            "pairs": ", ".join(
                f"{other} {done[name, other]} of {planned[name, other]}"
                for other in pool[place + 1 :]
            ),
        }
        for place, name in enumerate(pool[:-1])
    ]


def _range(counts: Counts) -> str:
    low, high = min(counts.values(), default=0), max(counts.values(), default=0)
    return str(low) if low == high else f"{low} to {high}"


def _named(pairs: list[Pair]) -> str:
    """Name pairs, the first of them where there are many."""
    shown = [f"{first} + {second}" for first, second in pairs[:_NAMED]]
    more = len(pairs) - len(shown)
    return f"{', '.join(shown)} and {more} more" if more else listed(shown)


def _spread(done: dict[str, int]) -> str:
    """Say which families were done least and most often."""
    if not any(done.values()):
        return "No mixture is done."
    low, high = min(done.values()), max(done.values())
    if low == high:
        return f"Every family is in {low} finished mixtures."
    least = listed([name for name, count in done.items() if count == low][:_NAMED])
    most = listed([name for name, count in done.items() if count == high][:_NAMED])
    return f"Least often done: {least} ({low}); most often: {most} ({high})."
