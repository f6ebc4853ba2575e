"""`moesaic search` and `moesaic resume`: from options to settings to a run to a summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import moesaic
from moesaic.cli._faults import in_run, resume_hint
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
    RunPath,
    Seed,
    Storage,
    Workers,
    option,
)
from moesaic.cli._output import Answer, answer

if TYPE_CHECKING:
    from moesaic.runs import RunResult

_NOT_SETTINGS = {"config", "assignments", "out", "json", "quiet"}


def search(
    context: typer.Context,
    data: Data = None,
    image_size: ImageSize = None,
    space: Annotated[
        str | None,
        option(
            "nasbench201, sanas, cells, families or vector_cells; auto: the first for images, the "
            "last for vectors",
            "auto",
            metavar="NAME",
        ),
    ] = None,
    experts: Annotated[
        str | None,
        option("experts in the mixture, or auto", "2", metavar="NUMBER|auto"),
    ] = None,
    clusters: Annotated[
        int | None, option("clusters of the data, at least the experts", "chosen", metavar="NUMBER")
    ] = None,
    strategy: Annotated[
        str | None, option("decomposed, joint, evolution, random or sgem", "joint", metavar="NAME")
    ] = None,
    transfer: Annotated[
        str | None,
        option(
            "earlier run of the same space whose bank informs the search", "none", metavar="RUN"
        ),
    ] = None,
    budget: Budget = None,
    trials: Annotated[
        int | None, option("architectures trained at the lowest rung", "24", metavar="NUMBER")
    ] = None,
    epochs: Annotated[
        str | None,
        option("epochs of the final trainings, or auto", "auto", metavar="NUMBER|auto"),
    ] = None,
    price: Annotated[
        float | None,
        option(
            "points of accuracy a million MACs must buy: experts get sizes",
            "none",
            metavar="NUMBER",
        ),
    ] = None,
    max_macs: Annotated[
        float | None,
        option("most expected MACs of a sample: experts get sizes", "none", metavar="NUMBER"),
    ] = None,
    seed: Seed = None,
    repeats: Annotated[
        int | None, option("seeds of the final stage", "1", metavar="NUMBER")
    ] = None,
    top_k: Annotated[
        int | None, option("experts that run on each sample", "1", metavar="NUMBER")
    ] = None,
    baselines: Annotated[
        bool | None,
        typer.Option(
            "--baselines/--no-baselines",
            help="train the baselines beside the mixture, or not [default: --baselines]",
            show_default=False,
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        option(
            "where clusters are looked for: trained, classes, pixels or given",
            "trained",
            metavar="NAME",
        ),
    ] = None,
    clusterer: Annotated[
        str | None,
        option("how clusters are found: kmeans, gaussian or hdbscan", "kmeans", metavar="NAME"),
    ] = None,
    workers: Workers = None,
    device: Device = None,
    executor: ExecutorName = None,
    address: Address = None,
    trial_timeout: Annotated[
        str | None, option("time one trial may take", "no limit", metavar="TIME")
    ] = None,
    storage: Storage = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    out: Annotated[
        Path | None, option("new directory of the run", "runs/search-NNN", metavar="DIR")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find a mixture of different networks for your data, and what it is worth."""
    given = {
        name: value
        for name, value in context.params.items()
        if name not in _NOT_SETTINGS and value is not None
    }

    def work() -> Answer:
        with in_run(out, "interrupted before the run began: there is nothing to continue"):
            return _search(given, config, assignments or [], out, quiet)

    answer(json, work)


def resume(run: RunPath, json: Json = False, quiet: Quiet = False) -> None:
    """Continue a run that was stopped; what was done is not done again."""

    def work() -> Answer:
        with in_run(run, f"interrupted; continue with: {resume_hint(run)}"):
            from moesaic.cli._watch import watching

            with watching(quiet) as watcher:
                return _found(moesaic.resume(run, watcher=watcher), quiet)

    answer(json, work)


def gather_settings(
    config: Path | None, assignments: list[str], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that were given: an option wins over --set, both over the file.

    Raises:
        InputError: the file or an assignment cannot be read.
    """
    from moesaic.config import load_config, merge_settings, parse_assignments

    layers = [{} if config is None else load_config(config), parse_assignments(assignments)]
    return merge_settings(*(_underscored(layer) for layer in layers), dict(given))


def _underscored(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """Take the names of options, such as image-size, for those of settings."""
    return {
        str(name).replace("-", "_"): _underscored(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
    }


def _search(
    given: Mapping[str, Any],
    file: Path | None,
    assignments: list[str],
    out: Path | None,
    quiet: bool,
) -> Answer:
    from moesaic.config import make_config

    config = make_config(gather_settings(file, assignments, given))
    # only now: a bad setting is answered before torch is loaded
    from moesaic.cli._watch import watching

    with watching(quiet) as watcher:
        return _found(moesaic.search(config, out=out, watcher=watcher), quiet)


def _found(found: RunResult, quiet: bool) -> Answer:
    from moesaic.cli._campaign_summary import describe_campaign
    from moesaic.cli._summary import describe_result

    describe = describe_campaign if found.result.get("kind") == "campaign" else describe_result
    return Answer(found.result, lambda: "" if quiet else describe(found.result))
