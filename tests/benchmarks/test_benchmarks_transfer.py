"""The benchmark of transfer on a small made-up table, and its refusals."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import transfer

from moesaic.spaces import get_space


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells whose accuracy grows with their convolutions, on both columns."""
    space, rng = get_space("nasbench201"), np.random.default_rng(0)
    path = tmp_path_factory.mktemp("table") / "cells.csv"
    cells = {one.key: one for one in (space.sample(rng) for _ in range(120))}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["arch", "cellstr", "old", "new"])
        for index, cell in enumerate(cells.values()):
            text = space.describe(cell)
            good = 50 + 6 * text.count("conv_3x3") + 3 * text.count("conv_1x1")
            writer.writerow([index, text, good + rng.normal(), good / 2 + rng.normal()])
        writer.writerow([999, text, 1.0, 1.0])
    return path


def run(monkeypatch: pytest.MonkeyPatch, words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["transfer", *words.split()])
    return transfer.main()


def test_a_bank_that_resembles_this_run_helps(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("moesaic.surrogate._trees.TREES", 5)
    words = f"--table {table} --source old --target new --bank 40 --cells 9 --unseen 40 --draws 2"
    assert run(monkeypatch, f"{words} --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["kendall"]) == {"bank alone", "without", "with", "gain"}
    assert found["kendall"]["with"]["mean"] > 0.5
    for row in found["kendall"].values():
        assert row["low"] <= row["mean"] <= row["high"]


def test_isomorphic_cells_are_read_once(table: Path) -> None:
    _, cells, losses = transfer.read_table(table, ["old", "new"])
    assert len(cells) == len(losses) == len({cell.key for cell in cells})
    assert losses.max() < 0.99


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--source old --target never", "no column 'never'"),
        ("--source old --target new", "ask for fewer"),
        ("--source old --target new --draws 1", "2 or more"),
    ],
)
def test_bad_input_is_one_line(
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
) -> None:
    assert run(monkeypatch, f"--table {table} {words}") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
