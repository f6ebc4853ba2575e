"""`moesaic families`: which families pay, in words; it computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from moesaic.cli._options import CampaignPath, Json, option
from moesaic.cli._output import Answer, answer, pairs, table

_MOST_PAIRS = 5


def families(
    campaign: CampaignPath,
    holdout: Annotated[
        Path | None, option("other candidates of the campaign, to predict", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None, option("a new .png, .svg or .pdf of the effects", metavar="FILE")
    ] = None,
    json: Json = False,
) -> None:
    """Say what each family adds to a mixture's accuracy, and which to keep, drop or measure."""

    def work() -> Answer:
        from moesaic.report.campaign import family_yield, plot_effects, read_candidates

        found = family_yield(read_candidates(campaign), read_candidates(holdout) if holdout else ())
        if plot:
            plot_effects(found, plot)
        return Answer(found, lambda: describe_yield(found))

    answer(json, work)


def describe_yield(found: Mapping[str, Any]) -> str:
    """Return what a person reads of the yield; its first line is the finding.

    Args:
        found: what `moesaic.report.campaign.family_yield` returned.
    """
    head = {
        "candidates": f"{found['candidates']:,} with an accuracy",
        "one training": f"+- {_points(found['noise'])[1:]} points (standard deviation)",
        "leave-one-out": _scores(found, "loo"),
    }
    if found["holdout_r2"] is not None:
        head["hold-out"] = _scores(found, "holdout")
    rows = [
        [
            row["name"],
            str(row["n"]),
            _points(row["mean"]) if row["identifiable"] else "-",
            f"{_points(row['low'])} to {_points(row['high'])}" if row["identifiable"] else "-",
            f"{row['p_keep']:.2f}" if row["identifiable"] else "-",
            row["verdict"] if row["identifiable"] else "in all: cannot be told",
        ]
        for row in found["effects"]
    ]
    columns = ["family", "n", "points", "95 % interval", "P(above mean)", "verdict"]
    return "\n\n".join([_finding(found), pairs(head), table(columns, rows), _pairs(found)])


def _finding(found: Mapping[str, Any]) -> str:
    known = [row for row in found["effects"] if row["identifiable"]]
    best, worst = known[0], known[-1]
    return (
        f"Best is {best['name']} ({_points(best['mean'])} points of accuracy), worst "
        f"{worst['name']} ({_points(worst['mean'])}); keep {_listed(found['keep'])}; "
        f"drop {_listed(found['drop'])}."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none for sure"


def _scores(found: Mapping[str, Any], name: str) -> str:
    r2, rank = found[f"{name}_r2"], found[f"{name}_spearman"]
    return f"R^2 {r2:.3f}, Spearman {'-' if rank is None else f'{rank:.3f}'}"


def _pairs(found: Mapping[str, Any]) -> str:
    if not found["pairs"]:
        return "No pair was met twice: what a pair adds cannot be told from noise."
    sure = [row for row in found["pairs"] if row["verdict"]]
    if not sure:
        return f"None of {len(found['pairs'])} pairs is a sure synergy or clash."
    rows = [
        [
            " + ".join(row["names"]),
            str(row["n"]),
            _points(row["mean"]),
            f"{_points(row['low'])} to {_points(row['high'])}",
            row["verdict"],
        ]
        for row in ([*sure[:_MOST_PAIRS], *sure[_MOST_PAIRS:][-_MOST_PAIRS:]])
    ]
    return table(["pair", "n", "points", "95 % interval", "verdict"], rows)


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:+.1f}"
