"""The benchmark of the analysis of campaigns scores both models on any file of candidates."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from benchmarks.audit import ridge, run, show

from moesaic.report.campaign import Candidate

WORTH = {"A": 0.1, "B": 0.02, "C": -0.03, "D": 0.0, "E": -0.2, "F": 0.05}


def test_both_models_are_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(combinations(WORTH, 3))
    rows = rows[::2] + rows[1::2]
    lines = [
        f"{'+'.join(row)},{0.5 + sum(WORTH[name] for name in row) + 0.003 * (place % 3)}"
        for place, row in enumerate(rows)
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["families,accuracy", *lines]))
    found = run(path, None, 14)
    assert (found["anchored"], found["share"]) == ([], 1.0)
    for model in ("moesaic", "ridge"):
        assert all(value > 0.8 for value in found["scores"][model].values())
    show(found)
    assert "covered: 20 of 20, 100.000000 %" in capsys.readouterr().out


def test_the_ridge_gives_back_additive_effects() -> None:
    rows = [
        Candidate(row, 0.5 + sum(WORTH[name] for name in row)) for row in combinations(WORTH, 3)
    ]
    assert ridge(rows[:15], rows[15:]) == pytest.approx([c.accuracy for c in rows[15:]], abs=0.02)
