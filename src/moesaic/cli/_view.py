"""`moesaic status`, `report` and `data`: what there is to see; none of them changes a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from moesaic.cli._campaign_summary import describe_account, describe_coverage
from moesaic.cli._faults import in_run, resume_hint
from moesaic.cli._options import Json, RunPath, option
from moesaic.cli._output import Answer, answer, duration, pairs, table
from moesaic.cli._summary import describe_verdict

_MOST_FAILURES = 20


def status(run: RunPath, json: Json = False) -> None:
    """Say how far a run is, and what failed in it."""

    def work() -> Answer:
        from moesaic.runs import open_run

        opened = open_run(run)
        found = opened.status()
        finished = found["status"] == "done"
        said = describe_verdict(opened.result()["verdict"]) if finished else ""
        return Answer(found, lambda: _describe_status(found, said))

    answer(json, work)


def report(run: RunPath, json: Json = False) -> None:
    """Write the report of a finished run again, and say where it is."""

    def work() -> Answer:
        with in_run(run):
            from moesaic.report import write_report
            from moesaic.runs import open_run

            opened = open_run(run)
            opened.result()
            path = write_report(opened.folder.path)
        return Answer({"run": str(run), "status": "done", "report": str(path)}, lambda: str(path))

    answer(json, work)


def data(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="what --data takes: names and paths, joined by +")
    ],
    image_size: Annotated[
        int | None, option("side images are brought to, in pixels", "their own", metavar="NUMBER")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="of the splits")] = 0,
    json: Json = False,
) -> None:
    """Describe what --data would load: shape, splits, classes, domains."""

    def work() -> Answer:
        from moesaic.data import describe_dataset, load_dataset

        found = describe_dataset(load_dataset(spec, image_size=image_size, seed=seed))
        return Answer(found, lambda: _describe_data(found))

    answer(json, work)


def _describe_status(found: Mapping[str, Any], sentence: str) -> str:
    run = found["run"]
    trials = found["trials"]
    state = found["status"]
    if found["at_work"]:
        state += "; a process is at work on it" if state == "done" else ", at work"
    elif state != "done":
        state += f"; continue with: {resume_hint(run)}"
    counts = [f"{trials[name]} {name}" for name in _STATES if trials.get(name)]
    head = {"run": run, "status": state, "trials": ", ".join(counts) or "none yet"}
    if found.get("seconds") is not None:
        head["time"] = duration(found["seconds"])
    if found.get("mixtures"):
        head["mixtures"] = describe_account(found["mixtures"])
        head["coverage"] = describe_coverage(found["coverage"])
    parts = [pairs(head)]
    if sentence:
        parts.append(sentence)
    if found.get("best"):
        best = [
            [" + ".join(row["families"]), f"{100 * row['accuracy']:.1f} %"] for row in found["best"]
        ]
        parts.append(table(["best mixtures so far", "validation"], best))
    if found["stages"]:
        rows = [
            [stage["stage"], *(str(stage[name]) for name in _STATES)] for stage in found["stages"]
        ]
        parts.append(table(["stage", *_STATES], rows))
    if found["failures"]:
        parts.append(_describe_failures(found["failures"]))
    return "\n\n".join(parts)


_STATES = ("done", "running", "planned", "failed")


def _describe_failures(failures: list[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{failure['stage']} {failure['index']}",
            failure["cause"],
            _first_line(failure["message"]),
        ]
        for failure in failures[:_MOST_FAILURES]
    ]
    more = len(failures) - len(rows)
    tail = f"\nand {more} more (--json lists all)" if more else ""
    return table(["failed trial", "cause", "message"], rows, numbers=3) + tail


def _describe_data(found: Mapping[str, Any]) -> str:
    shape = " x ".join(str(size) for size in found["input_shape"])
    head = {
        "data": found["name"],
        "samples": f"{found['kind']} of {shape}",
        **{name: f"{count:,}" for name, count in found["samples"].items()},
        "fingerprint": found["fingerprint"],
    }
    if found["skipped"]:
        head["skipped"] = f"{found['skipped']} unreadable"
    parts = [pairs(head)]
    for kind in ("domains", "classes"):
        if found[kind]:
            splits = list(found["samples"])
            rows = [
                [name, *(str(counts[split]) for split in splits)]
                for name, counts in found[kind].items()
            ]
            parts.append(table([kind, *splits], rows))
    if found["notes"]:
        parts.append("\n".join(f"note: {note}" for note in found["notes"]))
    return "\n\n".join(parts)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
