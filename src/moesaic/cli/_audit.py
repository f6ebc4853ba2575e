"""`moesaic audit`: what a campaign covered and favoured, in words; it computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from moesaic.cli._options import CampaignPath, Json, option
from moesaic.cli._output import Answer, answer, pairs, table

_MOST_ROWS = 12
_CERTAIN = 0.05


def audit(
    campaign: CampaignPath,
    pool: Annotated[
        Path | None,
        option("the families there were to choose from, one name a line", "those seen", "FILE"),
    ] = None,
    more: Annotated[
        int, typer.Option("--next", min=0, metavar="NUMBER", help="candidates to propose")
    ] = 10,
    json: Json = False,
) -> None:
    """Say what share of its space a campaign covered, and whether its choice was biased."""

    def work() -> Answer:
        from moesaic.report.campaign import audit, read_candidates, read_pool

        names = read_pool(pool) if pool else None
        found = audit(read_candidates(campaign), names, more=more)
        return Answer(found, lambda: describe_audit(found))

    answer(json, work)


def describe_audit(found: Mapping[str, Any]) -> str:
    """Return what a person reads of an audit; its first line names the anchored families.

    Args:
        found: what `moesaic.report.campaign.audit` returned.
    """
    families: Sequence[Mapping[str, Any]] = sorted(found["families"], key=lambda row: row["p"])
    head = {
        "candidates": ", ".join(
            f"{found[name]:,} {name}" for name in ("planned", "tried", "finished", "failed")
        ),
        "space": f"{found['space']:,}: {found['experts']} of {len(found['pool'])} families",
        "covered": f"{found['distinct']:,} different ones, {100 * found['share']:.6g} %",
        "families": _judged(found["uniform_p"], "as even as chance makes them", "used unevenly"),
        "pairs": f"{found['pairs']['covered']:,} of {found['pairs']['total']:,} met",
        "order": _judged(found["prefix_p"], "as good as random", "biased: what came first differs"),
    }
    parts = [f"{_anchored(found)}\n\n{pairs(head)}"]
    rows = [
        [row["name"], str(row["count"]), f"{row['expected']:.1f}", _p(row["p"]), _p(row["p_holm"])]
        for row in families[:_MOST_ROWS]
    ]
    rest = len(families) - len(rows)
    tail = f"\nand {rest} more (--json lists all)" if rest else ""
    parts.append(table(["family", "count", "expected", "p", "adjusted p"], rows) + tail)
    if found["failures"]["families"]:
        parts.append(_failures(found["failures"]))
    if found["next"]:
        parts.append("next, to cover the rest:\n" + "\n".join(map(" + ".join, found["next"])))
    return "\n\n".join(parts)


def _anchored(found: Mapping[str, Any]) -> str:
    names = found["anchored"]
    if not names:
        return "No family is in every candidate."
    listed = f"{', '.join(names[:-1])} and {names[-1]} are" if names[1:] else f"{names[0]} is"
    them = "them" if names[1:] else "it"
    whole = f"all {found['distinct']:,} candidates"
    return f"{listed} in {whole}: nothing is known of mixtures without {them}."


def _judged(p: float, even: str, uneven: str) -> str:
    return f"{uneven if p < _CERTAIN else even} (p = {_p(p)})"


def _p(p: float) -> str:
    return f"{p:.2g}"


def _failures(failures: Mapping[str, Any]) -> str:
    causes = ", ".join(f"{count} {cause}" for cause, count in failures["causes"].items())
    rows = [
        [row["name"], str(row["failed"]), str(row["tried"]), _p(row["p"]), _p(row["p_holm"])]
        for row in failures["families"][:_MOST_ROWS]
        if row["failed"]
    ]
    columns = ["family", "failed", "tried", "p", "adjusted p"]
    return f"failed: {causes}\n{table(columns, rows)}"
