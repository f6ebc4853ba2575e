"""A run survives kill -9 of coordinator and workers; nothing is lost, nothing runs twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.process_helpers import family, kill_a_busy_worker

from moesaic.runs import open_run

pytestmark = pytest.mark.slow


def command(spec: str, out: Path) -> list[str]:
    words = "search --trials 6 --epochs 3 --seed 1 --json --set rungs=[1,2] --set widths=[4,6]"
    return [sys.executable, "-m", "moesaic", *words.split(), "--data", spec, "--out", str(out)]


def wait_for_trials(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if len(list(folder.glob("predictions/*.npy"))) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{folder} never had {count} trials")


def result_of(words: list[str]) -> dict[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def expected(spec: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return result_of(command(spec, tmp_path_factory.mktemp("kill") / "run"))


@pytest.mark.parametrize("after", [1, 7, 13])
def test_kill_the_coordinator_and_resume(
    spec: str, expected: dict[str, Any], tmp_path: Path, after: int
) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        command(spec, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_trials(out, after)
    children = family(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "workers outlived their coordinator"
    found = result_of([sys.executable, "-m", "moesaic", "resume", str(out), "--json"])
    for key in (
        "verdict",
        "structure",
        "selection",
        "routing",
        "trials",
        "test_accuracy",
        "theory",
    ):
        assert found[key] == expected[key]
    assert found["trials"]["lost"] == found["trials"]["failed"] == 0


def test_kill_a_worker_and_the_run_goes_on(spec: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(command(spec, out), stdout=subprocess.PIPE, text=True)
    wait_for_trials(out, 2)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not kill_a_busy_worker(process.pid, seconds=1):
        time.sleep(0.05)
    stdout, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    result = json.loads(stdout)
    trials = result["trials"]
    assert trials["lost"] == 0
    assert set(trials["causes"]) <= {"worker_died"}
    failures = open_run(out).status()["failures"]
    assert len(failures) == trials["failed"] <= 1
