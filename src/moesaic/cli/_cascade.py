"""`moesaic cascade`: the models of finished runs, asked in turn; it measures nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from moesaic.cli._faults import in_run
from moesaic.cli._options import Json, option
from moesaic.cli._output import Answer, answer, pairs, table


def cascade(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="finished runs on the same data")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="a new directory for the cascade")],
    price: Annotated[
        float | None,
        option("points of accuracy that a million MACs more must buy", metavar="NUMBER"),
    ] = None,
    max_macs: Annotated[
        float | None, option("most MACs of a sample in the mean", metavar="NUMBER")
    ] = None,
    json: Json = False,
) -> None:
    """Let the cheapest run's model answer where it is sure, and a dearer one's the rest.

    Without --price and --max-macs it is the cheapest cascade that is as accurate on the validation
    split as the most accurate of the runs.
    """

    def work() -> Answer:
        from moesaic.runs import cascade as join

        with in_run(None):
            found = join(runs, out, price=price, max_macs=max_macs)
        return Answer(found, lambda: describe_cascade(found))

    answer(json, work)


def describe_cascade(found: Mapping[str, Any]) -> str:
    """Return what a person reads of a cascade.

    Args:
        found: what `moesaic.runs.cascade` returned.
    """
    test, stages = found["test"], found["stages"]
    best, gain = stages[test["best_stage"]], test["gain_over_best_stage"]
    first = (
        f"{100 * test['share_of_macs']:.0f} % of the compute of {best['run']}, with "
        f"{100 * test['accuracy']:.1f} % of the test split right against its "
        f"{100 * best['test_accuracy']:.1f} %: {100 * gain['mean']:+.1f} points (95 % interval "
        f"{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})."
    )
    head = {
        "MACs": f"{test['macs']:,.0f} of a sample, in the mean",
        "against": f"{best['run']}, the most accurate on validation",
        "model": f"{found['run']}/model",
    }
    rows = [
        [
            stage["run"],
            f"{100 * stage['reached']:.1f} %",
            f"{stage['macs']:,.0f}",
            f"{100 * stage['validation_accuracy']:.1f}",
            f"{100 * stage['test_accuracy']:.1f}",
        ]
        for stage in stages
    ]
    columns = ["asked in turn", "samples that reach it", "its MACs", "validation", "test, alone"]
    return "\n\n".join([first, pairs(head), table(columns, rows)])
