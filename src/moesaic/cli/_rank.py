"""`moesaic rank`: which mixtures of a bank's experts are worth training; it computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from moesaic.cli._faults import in_run
from moesaic.cli._options import Json, Quiet, RunPath, option
from moesaic.cli._output import Answer, answer, duration, pairs, table


def rank(
    run: RunPath,
    experts: Annotated[
        int | None, option("experts in a mixture", "the run's own", metavar="NUMBER")
    ] = None,
    score: Annotated[
        str,
        typer.Option(metavar="NAME", help="oracle, cluster, ensemble, mean or gate"),
    ] = "oracle",
    top: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="how many of the best are listed")
    ] = 20,
    max_macs: Annotated[
        float | None,
        option("multiply-accumulates that one sample may need", "no limit", metavar="NUMBER"),
    ] = None,
    max_parameters: Annotated[
        float | None, option("parameters of all experts together", "no limit", metavar="NUMBER")
    ] = None,
    must_have: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="an expert every mixture must hold; repeatable"),
    ] = None,
    must_not: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="an expert or family none may hold; repeatable"),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="RUN",
            help="take in the experts of a run on the same data; repeatable",
        ),
    ] = None,
    train: Annotated[
        int, typer.Option(min=0, metavar="TOP", help="train that many of the best jointly")
    ] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score every mixture of K of a run's experts by their stored predictions, without training."""

    def work() -> Answer:
        from moesaic.cli._watch import watching
        from moesaic.runs import rank as ranking

        with in_run(run), watching(quiet) as watcher:
            found = ranking(
                run,
                experts=experts,
                score=score,
                top=top,
                max_macs=max_macs,
                max_parameters=max_parameters,
                must_have=must_have or [],
                must_not=must_not or [],
                also=also or [],
                train=min(train, top),
                watcher=watcher,
            )
        return Answer(found, lambda: "" if quiet else describe_ranking(found))

    answer(json, work)


def describe_ranking(found: Mapping[str, Any]) -> str:
    """Return what a person reads of a ranking; its first line is the best mixture.

    Args:
        found: what `moesaic.runs.rank` returned.
    """
    best, percent = found["best"], found["higher_is_better"]
    first = (
        f"Best by {found['score']}: {' + '.join(best[0]['members'])}, "
        f"{_score(best[0]['score'], percent)} ({_interval(best[0], percent)})."
    )
    how = f"{found['scored']:,} of {found['space']:,}"
    if not found["exhaustive"]:
        how += " (too many for all: greedy + swaps)"
    head = {
        "experts": f"{found['experts']} of {len(found['members'])}",
        "scored": f"{how}, in {_seconds(found['seconds'])}",
        "unit": "% of accuracy, more is better" if percent else "nats, less is better",
    }
    if not found["exhaustive"] and found["bound"] is not None:
        head["bound"] = f"no mixture is better than {_score(found['bound'], percent)}"
    rows = [
        [
            str(place),
            " + ".join(row["members"]),
            _score(row["score"], percent),
            _interval(row, percent),
            _score(row["raw"], percent),
            f"{row['macs']:,}",
            f"{row['parameters']:,}",
        ]
        for place, row in enumerate(best, 1)
    ]
    columns = ["", "experts", "score", "95 % interval", "uncorrected", "MACs", "parameters"]
    parts = [first, pairs(head), table(columns, rows, numbers=2)]
    if "trained" in found:
        parts.append(_trained(found["trained"]))
    return "\n\n".join(parts)


def _trained(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        [
            " + ".join(row["members"]),
            "failed" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f} %",
            "" if row["seconds"] is None else duration(row["seconds"]),
        ]
        for row in rows
    ]
    return table(["trained jointly", "validation", "time"], cells)


def _score(value: float, percent: bool) -> str:
    return f"{100 * value:.2f}" if percent else f"{value:.4f}"


def _interval(row: Mapping[str, Any], percent: bool) -> str:
    return f"{_score(row['low'], percent)} to {_score(row['high'], percent)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else duration(seconds)
