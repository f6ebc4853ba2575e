"""`moesaic campaign`: mixtures of families, planned, trained, accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from moesaic.cli._faults import in_run
from moesaic.cli._options import (
    Address,
    Assignments,
    Budget,
    ConfigFile,
    Data,
    Device,
    ExecutorName,
    ImageSize,
    Json,
    Quiet,
    Seed,
    Storage,
    Workers,
    option,
)
from moesaic.cli._output import Answer, answer, table
from moesaic.cli._search import gather_settings

_NOT_SETTINGS = {
    *("config", "assignments", "out", "json", "quiet", "plugin", "list_families", "plan_only"),
}


def campaign(
    context: typer.Context,
    data: Data = None,
    image_size: ImageSize = None,
    pool: Annotated[
        str | None,
        option(
            "families: lemur29, native, pytorchcv, a file with a name a line, or NAME,NAME,...",
            "lemur29",
            metavar="POOL",
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Python file that registers families; it is executed; repeatable"
        ),
    ] = None,
    experts: Annotated[
        int | None, option("families in a mixture, 2 to 8", "4", metavar="NUMBER")
    ] = None,
    clusters: Annotated[
        int | None, option("clusters that mixtures are measured on", "chosen", metavar="NUMBER")
    ] = None,
    planner: Annotated[
        str | None,
        option(
            "stratified, random, alphabetical, adaptive or ranked", "stratified", metavar="NAME"
        ),
    ] = None,
    candidates: Annotated[
        int | None, option("mixtures that are trained", "60", metavar="NUMBER")
    ] = None,
    epochs: Annotated[
        int | None, option("epochs a mixture is trained", "3", metavar="NUMBER")
    ] = None,
    quick_epochs: Annotated[
        int | None, option("epochs of a quick first rung", "no such rung", metavar="NUMBER")
    ] = None,
    promote: Annotated[
        float | None, option("share of the quick rung that goes on", "0.25", metavar="SHARE")
    ] = None,
    preset: Annotated[
        str | None, option("how mixtures are trained: moe4 or taught", "moe4", metavar="NAME")
    ] = None,
    top_k: Annotated[
        int | None, option("experts that run on a sample", "all; 1 if taught", metavar="NUMBER")
    ] = None,
    budget: Budget = None,
    trial_timeout: Annotated[
        str | None,
        option("time one training may take", "10 times what is expected", metavar="TIME"),
    ] = None,
    max_memory: Annotated[
        str | None,
        option("memory one training may be predicted to need: 2GB", "no limit", metavar="SIZE"),
    ] = None,
    retry_policy: Annotated[
        str | None,
        option("after too little memory: smaller_batch or none", "smaller_batch", metavar="NAME"),
    ] = None,
    seed: Seed = None,
    baselines: Annotated[
        bool | None,
        typer.Option(
            "--baselines/--no-baselines",
            help="train every family alone as well, or not [default: --baselines]",
            show_default=False,
        ),
    ] = None,
    workers: Workers = None,
    device: Device = None,
    executor: ExecutorName = None,
    address: Address = None,
    storage: Storage = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    out: Annotated[
        Path | None, option("new directory of the run", "runs/campaign-NNN", metavar="DIR")
    ] = None,
    list_families: Annotated[
        bool, typer.Option("--list-families", help="list the families of --pool, or all, and stop")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="print the planned mixtures, a JSON line each")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train mixtures of K network families, and learn which families pay."""
    given = {
        name: value
        for name, value in context.params.items()
        if name not in _NOT_SETTINGS and value is not None
    }
    if plugin:
        given["plugins"] = [str(path) for path in plugin]

    def settings() -> dict[str, Any]:
        return gather_settings(config, assignments or [], given)

    def work() -> Answer:
        if list_families:
            return _list_families(settings())
        if plan_only:
            return _plan(settings())
        with in_run(out, "interrupted before the run began: there is nothing to continue"):
            return _run(settings(), out, quiet)

    if plan_only:
        answer(False, work)
    else:
        answer(json, work)


def _run(settings: Mapping[str, Any], out: Path | None, quiet: bool) -> Answer:
    import moesaic
    from moesaic.cli._campaign_summary import describe_campaign
    from moesaic.cli._watch import watching
    from moesaic.config import make_campaign_config

    config = make_campaign_config(settings)
    with watching(quiet) as watcher:
        found = moesaic.campaign(config, out=out, watcher=watcher).result
    return Answer(found, lambda: "" if quiet else describe_campaign(found))


def _plan(settings: Mapping[str, Any]) -> Answer:
    from moesaic.config import make_campaign_config
    from moesaic.runs import plan_campaign

    planned = plan_campaign(make_campaign_config(settings))
    lines = [
        dumps({"index": index, "families": list(families)})
        for index, families in enumerate(planned)
    ]
    return Answer({}, lambda: "\n".join(lines))


def _list_families(settings: Mapping[str, Any]) -> Answer:
    from moesaic.config import make_campaign_config
    from moesaic.runs import describe_families

    rows = describe_families(make_campaign_config(settings), pool="pool" in settings)
    return Answer(
        rows,
        lambda: table(
            ["family", "provider", "parameters", "MACs at 32 x 32", "least size", "design"],
            [
                [
                    row["name"],
                    row["provider"],
                    f"{row['params']:,}",
                    f"{row['macs']:,}",
                    str(row["min_size"]),
                    row["provenance"],
                ]
                for row in rows
            ],
            numbers=2,
        ),
    )
