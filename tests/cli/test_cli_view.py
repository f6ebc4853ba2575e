"""`moesaic status`, `report`, `data` and `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner, Result

from moesaic import runs
from moesaic.cli import app
from moesaic.config import SearchConfig
from moesaic.runs import RunFolder

runner = CliRunner()

STATUS: dict[str, Any] = {
    "run": "my runs/a",
    "status": "unfinished",
    "at_work": False,
    "stages": [
        {"stage": "rung-0", "planned": 1, "running": 2, "done": 20, "failed": 25},
        {"stage": "rung-1", "planned": 4, "running": 0, "done": 0, "failed": 0},
    ],
    "trials": {"planned": 5, "running": 2, "done": 20, "failed": 25, "causes": {"diverged": 25}},
    "failures": [
        {"stage": "rung-0", "index": i, "cause": "diverged", "message": f"loss [{i}]\nmore"}
        for i in range(25)
    ],
    "seconds": 200.4,
}


class FakeRun:
    def __init__(self, folder: Path, status: dict[str, Any]) -> None:
        self.folder = RunFolder(folder)
        self._status = status

    def status(self) -> dict[str, Any]:
        return self._status

    def result(self) -> dict[str, Any]:
        return {"verdict": {"sentence": "A mixture is worth it.", "note": "After 2 epochs."}}


def invoke(*words: object) -> Result:
    return runner.invoke(app, [str(word) for word in words])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    status = dict(STATUS)
    monkeypatch.setattr(runs, "open_run", lambda path: FakeRun(tmp_path, status))
    return status


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    from moesaic.runs._folder import create_folder

    return create_folder(tmp_path / "run", SearchConfig()).path


def test_status_tells_stages_failures_and_how_to_continue(shown: dict[str, Any]) -> None:
    found = invoke("status", "a")
    assert found.exit_code == 0
    assert "continue with: moesaic resume 'my runs/a'" in found.stdout
    assert "20 done, 2 running, 5 planned, 25 failed" in found.stdout
    assert "3 min 20 s" in found.stdout
    lines = [line.split() for line in found.stdout.splitlines()]
    assert ["rung-0", "20", "2", "1", "25"] in lines
    assert ["rung-0", "3", "diverged", "loss", "[3]"] in lines
    assert "and 5 more" in found.stdout
    assert "worth" not in found.stdout


def test_status_of_a_finished_run_gives_the_verdict(shown: dict[str, Any]) -> None:
    shown.update(status="done", failures=[], stages=[])
    found = invoke("status", "a")
    assert "A mixture is worth it.\nAfter 2 epochs.\n" in found.stdout
    assert "resume" not in found.stdout


def test_status_json_holds_everything(shown: dict[str, Any]) -> None:
    assert json.loads(invoke("status", "a", "--json").stdout) == STATUS


def test_report_is_written_again(
    shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("moesaic.report.write_report", lambda folder: folder / "report.html")
    assert invoke("report", "a").stdout == f"{tmp_path / 'report.html'}\n"
    told = json.loads(invoke("report", "a", "--json").stdout)
    assert told == {"run": "a", "status": "done", "report": str(tmp_path / "report.html")}


def program(path: Path) -> bytes:
    """Write what an exported program is outside: a zip file; return its bytes."""
    path.parent.mkdir()
    with ZipFile(path, "w") as stored:
        stored.writestr("graph.json", "{}" * 500)
    return path.read_bytes()


def test_export_copies_the_program(shown: dict[str, Any], tmp_path: Path) -> None:
    whole = program(tmp_path / "model" / "model.pt2")
    out = tmp_path / "copy.pt2"
    found = invoke("export", "a", "--format", "pt2", "--out", out, "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout)["model"] == str(out)
    assert out.read_bytes() == whole

    (tmp_path / "into").mkdir()
    assert invoke("export", "a", "--out", tmp_path / "into").exit_code == 0
    assert (tmp_path / "into" / "model.pt2").read_bytes() == whole


def test_export_overwrites_nothing(shown: dict[str, Any], tmp_path: Path) -> None:
    program(tmp_path / "model" / "model.pt2")
    out = tmp_path / "mine.txt"
    out.write_text("mine")
    found = invoke("export", "a", "--out", out)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert out.read_text() == "mine"
    assert invoke("export", "a", "--out", tmp_path / "no" / "where.pt2").exit_code == 2


def test_export_refuses_a_damaged_program_and_says_how_to_mend_it(
    shown: dict[str, Any], tmp_path: Path
) -> None:
    source = tmp_path / "model" / "model.pt2"
    whole = program(source)
    for bad in (whole[:200], b"", whole.replace(b"{}{}", b"{}[]", 1)):
        source.write_bytes(bad)
        found = invoke("export", "a", "--out", tmp_path / "copy.pt2")
        assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
        assert "delete a/result.json, then moesaic resume a" in found.stderr
        assert not (tmp_path / "copy.pt2").exists()


def test_export_of_an_unknown_format_suggests(shown: dict[str, Any]) -> None:
    found = invoke("export", "a", "--format", "pt")
    assert found.exit_code == 2
    assert "did you mean pt2" in found.stderr


def test_export_without_the_program(shown: dict[str, Any]) -> None:
    found = invoke("export", "a")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("command", ["status", "report", "export", "resume", "predict"])
def test_no_run_is_one_line_and_exit_2(command: str, tmp_path: Path) -> None:
    words = [command, tmp_path, *(["x.png"] if command == "predict" else []), "--json"]
    found = invoke(*words)
    assert found.exit_code == 2
    assert found.stderr.count("\n") == 1
    assert json.loads(found.stdout)["status"] == "error"


@pytest.mark.parametrize("command", ["report", "export"])
def test_what_needs_a_finished_run_says_so(command: str, unfinished: Path) -> None:
    found = invoke(command, unfinished)
    assert found.exit_code == 2
    assert "not finished" in found.stderr
    assert "moesaic resume" in found.stderr


def test_data_describes_what_would_be_loaded() -> None:
    found = invoke("data", "digits", "--image-size", "16")
    assert found.exit_code == 0
    assert "images of 1 x 16 x 16" in found.stdout
    told = json.loads(invoke("data", "digits", "--json").stdout)
    assert told["input_shape"] == [1, 8, 8]
    assert sum(told["samples"].values()) == 1797
    counts = [line.split() for line in found.stdout.splitlines() if line.startswith("7 ")]
    assert counts == [["7", *(str(count) for count in told["classes"]["7"].values())]]


def test_data_that_is_not_there_is_one_line_with_a_suggestion() -> None:
    found = invoke("data", "digitz")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "digits" in found.stderr


def test_status_says_when_a_process_is_at_work(shown: dict[str, Any]) -> None:
    shown["at_work"] = True
    told = invoke("status", "a").stdout
    assert "unfinished, at work" in told
    assert "continue with" not in told


def test_what_would_move_the_cursor_is_written_out(shown: dict[str, Any]) -> None:
    shown["run"] = "a\x1b[31m\rb"
    assert "a\\x1b[31m\\rb" in invoke("status", "a").stdout
