"""Interrupted and resumed equals uninterrupted: the same trials, the same result, bit for bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from moesaic.config import make_config
from moesaic.errors import Interrupted
from moesaic.runs import Watcher, open_run, resume, search

VOLATILE = {"run", "seconds", "training_seconds", "peak_memory"}


def stable(value: Any) -> Any:
    """Drop what depends on the clock, the place and the memory of the moment."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list):
        return [stable(v) for v in value]
    return value


def files(folder: Path) -> dict[str, str]:
    """Digest every stored prediction, weight and the handed-over weights."""
    found = sorted([*folder.glob("predictions/*.npy"), *folder.glob("checkpoints/*.safetensors")])
    found.append(folder / "model" / "model.safetensors")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }


def trials(folder: Path) -> list[tuple[Any, ...]]:
    with open_run(folder).bank() as bank:
        return [
            (t.stage, t.index, t.key, *bank.observation(t.key).loss.tolist()) for t in bank.trials()
        ]


class StopAfter(Watcher):
    """Presses Ctrl-C when the n-th trial ends."""

    def __init__(self, count: int) -> None:
        self.left = count

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(
    spec: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    settings = {
        "data": spec,
        "trials": 4,
        "rungs": (1, 2),
        "widths": (4, 6),
        "epochs": 2,
        "executor": "inprocess",
        "seed": 3,
    }
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, settings, search(make_config(settings), folder).result


@pytest.mark.parametrize(
    "stop",
    [1, 6, 13, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 8, 10, 17, 20, 22))],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    whole: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path, stop: int
) -> None:
    folder, settings, expected = whole
    with pytest.raises(Interrupted, match="moesaic resume"):
        search(make_config(settings), tmp_path / "run", StopAfter(stop))
    found = resume(tmp_path / "run").result
    assert stable(json.loads(json.dumps(found))) == stable(json.loads(json.dumps(expected)))
    assert trials(tmp_path / "run") == trials(folder)
    assert files(tmp_path / "run") == files(folder)


def test_interrupted_again_and_again(
    whole: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    _, settings, expected = whole
    with pytest.raises(Interrupted):
        search(make_config(settings), tmp_path / "run", StopAfter(2))
    for stop in (3, 4, 5):
        with pytest.raises(Interrupted):
            resume(tmp_path / "run", StopAfter(stop))
    assert stable(resume(tmp_path / "run").result) == stable(expected)


def test_resuming_a_finished_run_changes_nothing(
    whole: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    folder, _, _ = whole
    before = files(folder), (folder / "result.json").read_bytes()
    resume(folder)
    assert (files(folder), (folder / "result.json").read_bytes()) == before


@pytest.mark.slow
def test_two_worker_processes_give_what_one_process_gives(
    whole: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    folder, settings, expected = whole
    config = make_config({**settings, "executor": "process", "workers": 2})
    found = search(config, tmp_path / "run").result
    expected, found = stable(expected), stable(found)
    assert expected.pop("config") != found.pop("config")
    assert found == expected
    assert files(tmp_path / "run") == files(folder)
