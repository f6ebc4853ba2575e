"""The section on failures: which families fail more than chance explains, and every cause."""

from __future__ import annotations

from typing import Any

from scipy.stats import hypergeom

from moesaic.report._cost import cause_in_words
from moesaic.report._format import percent, plain
from moesaic.report._judge import Judgement
from moesaic.report.campaign._page_material import (
    CampaignMaterial,
    Planned,
    first_line,
    group_counts,
    joined,
)

SHOWN = 50
_LEVEL = 0.05


def build_failures(material: CampaignMaterial) -> dict[str, Any]:
    """Return what the template of this section reads."""
    failed = [mixture for mixture in material.planned if mixture.status == "failed"]
    begun = [mixture for mixture in material.planned if mixture.begun]
    causes = list(group_counts(_cause, failed))
    return {
        "count": len(failed),
        "begun": len(begun),
        "share": percent(len(failed) / len(begun) if begun else None, 0),
        "causes": [cause_in_words(cause) for cause in causes],
        "families": _families(material.pool, begun, failed, causes) if failed else [],
        "totals": list(group_counts(_cause, failed).values()),
        "rows": [_row(mixture) for mixture in failed[:SHOWN]],
        "more": max(0, len(failed) - SHOWN),
    }


def _cause(mixture: Planned) -> str:
    return mixture.cause or "error"


def _row(mixture: Planned) -> dict[str, Any]:
    return {
        "number": mixture.index + 1,
        "families": joined(mixture.families),
        "cause": cause_in_words(_cause(mixture)),
        "message": first_line(mixture.message) or "no message",
        "retries": mixture.retries,
    }


def _families(
    pool: tuple[str, ...], begun: list[Planned], failed: list[Planned], causes: list[str]
) -> list[dict[str, Any]]:
    """Return a row a family that failed, the most over-represented first."""
    rows = []
    for name in pool:
        own = [mixture for mixture in failed if name in mixture.families]
        tries = sum(name in mixture.families for mixture in begun)
        if not own:
            continue
        chance = chance_of_failures(len(begun), len(failed), tries, len(own))
        expected = tries * len(failed) / len(begun)
        rows.append(
            {
                "name": name,
                "begun": tries,
                "failed": len(own),
                "share": percent(len(own) / tries, 0),
                "times": f"{plain(len(own) / expected, 1)}×",
                "chance": chance,
                "shown_chance": _shown(chance),
                "judgement": _judge(chance, len(pool)),
                "causes": [sum(_cause(mixture) == cause for mixture in own) for cause in causes],
            }
        )
    return sorted(rows, key=lambda row: (row["chance"], -row["failed"], pool.index(row["name"])))


def chance_of_failures(begun: int, failed: int, own_begun: int, own_failed: int) -> float:
    """Return the chance that a family is in so many failed mixtures, or more, by luck alone.

    The failed mixtures are drawn from those begun without regard to families: the upper tail of
    the hypergeometric distribution, Fisher's exact test on one side.

    Args:
        begun: mixtures in all.
        failed: of them.
        own_begun: mixtures with the family.
        own_failed: of them.
    """
    return float(hypergeom.sf(own_failed - 1, begun, failed, own_begun))


def _shown(chance: float) -> str:
    return "< 0.001" if chance < 0.001 else plain(chance, 3 if chance < 0.1 else 2)


def _judge(chance: float, families: int) -> Judgement | None:
    """Judge a family among all families of the pool, Bonferroni's way; None: as chance would."""
    if chance * families < _LEVEL:
        return Judgement("bad", "over-represented")
    if chance < _LEVEL:
        return Judgement("open", "suspect")
    return None
