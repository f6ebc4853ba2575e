"""`moesaic cascade`: models asked in turn, of finished runs or out of one; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from moesaic.cli._faults import in_run
from moesaic.cli._options import Json, Quiet, option
from moesaic.cli._output import Answer, answer, pairs, table


def cascade(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="finished runs on the same data, or one with a price"
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="a new directory for the cascade")],
    price: Annotated[
        float | None,
        option(
            "points of accuracy that a million MACs more must buy",
            "of one run its own",
            metavar="NUMBER",
        ),
    ] = None,
    max_macs: Annotated[
        float | None, option("most MACs of a sample in the mean", metavar="NUMBER")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a cheap model answer where it is sure, and a dearer one the rest.

    Of two to four runs it joins the models. Without --price and --max-macs it is the cheapest
    cascade that is as accurate on the validation split as the most accurate of the runs.

    Of one search with a price it trains two mixtures, of the sizes that the search tried and that
    go together best.
    """

    def work() -> Answer:
        from moesaic.cli._watch import watching
        from moesaic.runs import cascade as join

        with in_run(None, "interrupted; the same command goes on"), watching(quiet) as watcher:
            found = join(runs, out, price=price, max_macs=max_macs, watcher=watcher)
        return Answer(found, lambda: "" if quiet else describe_cascade(found))

    answer(json, work)


def describe_cascade(found: Mapping[str, Any]) -> str:
    """Return what a person reads of a cascade.

    Args:
        found: what `moesaic.runs.cascade` returned.
    """
    test, stages, rival = found["test"], found["stages"], found["against"]
    gain = rival["gain"]
    first = (
        f"{100 * rival['share_of_macs']:.0f} % of the compute of {rival['run']}, with "
        f"{100 * test['accuracy']:.1f} % of the test split right against its "
        f"{100 * rival['test_accuracy']:.1f} %: {100 * gain['mean']:+.1f} points (95 % interval "
        f"{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})."
    )
    of_one = rival["stage"] is None
    head = {
        "MACs": f"{test['macs']:,.0f} of a sample, in the mean",
        "against": f"the model of {rival['run']}, {rival['macs']:,.0f} MACs"
        if of_one
        else f"{rival['run']}, the most accurate on validation",
        "model": f"{found['run']}/model",
    }
    rows = [
        [
            f"{'dear' if place else 'cheap'} experts" if of_one else stage["run"],
            f"{100 * stage['reached']:.1f} %",
            f"{stage['macs']:,.0f}",
            f"{100 * stage['validation_accuracy']:.1f}",
            f"{100 * stage['test_accuracy']:.1f}",
        ]
        for place, stage in enumerate(stages)
    ]
    columns = ["asked in turn", "samples that reach it", "its MACs", "validation", "test, alone"]
    parts = [first, pairs(head), table(columns, rows)]
    return "\n\n".join(parts if found["note"] is None else [found["note"], *parts])
