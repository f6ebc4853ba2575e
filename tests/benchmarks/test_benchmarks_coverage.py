"""The benchmark of the planners prints, draws and answers in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.coverage", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_json_and_figure(tmp_path: Path) -> None:
    figure = tmp_path / "coverage.png"
    words = ("--pool", "9", "--experts", "3", "--candidates", "40")
    done = run(*words, "--json", "--figure", str(figure))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["space"] == 84
    assert found["candidates"] == [10, 20, 30, 40]
    assert set(found["planners"]) == {"alphabetical", "random", "stratified"}
    apart = [value["high"] for value in found["planners"]["stratified"]["family_apart"]]
    assert max(apart) <= 1
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_table_and_bad_input() -> None:
    done = run("--pool", "9", "--experts", "3", "--candidates", "40")
    assert "stratified" in done.stdout
    assert "pairs covered" in done.stdout
    refused = run("--pool", "2", "--experts", "3")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: a pool of 2 families")
