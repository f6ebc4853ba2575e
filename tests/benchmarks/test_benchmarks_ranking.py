"""The benchmark of ranking concludes from trained mixtures what is in them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from benchmarks._ranking import Joint, at_cost, curve, difference, draw_figure, judge_scores
from benchmarks.ranking import across

ROWS = list(combinations("abcdef", 2))


def joint(place: int, noise: float) -> Joint:
    rng = np.random.default_rng(place)
    worth = 0.5 + 0.02 * place
    return Joint(worth + noise * rng.normal(size=2), worth + noise * rng.normal(size=2), 4.0)


def test_a_score_that_knows_ranks_better_than_training_again() -> None:
    trained = {row: joint(place, 0.08) for place, row in enumerate(ROWS)}
    right = {row: float(place) for place, row in enumerate(ROWS)}
    wrong = {row: -value for row, value in right.items()}
    told = judge_scores({"right": right, "wrong": wrong}, trained, 0)
    rows = told["scores"]
    assert rows["right"]["mean"] > 0.6
    assert rows["wrong"]["mean"] == pytest.approx(-rows["right"]["mean"])
    assert rows["right"]["low"] <= rows["right"]["ahead_of_training_again"] <= rows["right"]["high"]
    assert rows["right"]["ahead_of_training_again"] == pytest.approx(
        np.mean(rows["right"]["each"]) - told["again"]
    )


def test_a_curve_is_the_best_by_validation_against_cost() -> None:
    trained = {
        ("a", "b"): Joint(np.array([0.5, 0.5]), np.array([0.6, 0.6]), 4.0),
        ("a", "c"): Joint(np.array([0.7, 0.4]), np.array([0.5, 0.9]), 4.0),
    }
    line = curve(list(trained), trained, 10.0, any_order=False)
    assert line == {"passes": [14.0, 18.0], "accuracy": [0.6, pytest.approx(0.55)]}
    assert at_cost(line, 13.0) is None
    assert at_cost(line, 14.0) == 0.6
    shuffled = curve(list(trained), trained, 0.0, any_order=True)
    assert 0.6 < shuffled["accuracy"][0] < 0.7
    assert shuffled["accuracy"][1] == pytest.approx(0.55)


def test_differences_have_an_interval() -> None:
    found = difference([0.7, 0.72, 0.71], [0.6, 0.62, 0.61, 0.61])
    assert found["mean"] == pytest.approx(0.1)
    assert 0.05 < found["low"] < 0.1 < found["high"]
    assert difference([1.0, 1.0], [0.5, 0.5]) == {"mean": 0.5, "low": 0.5, "high": 0.5}


def test_every_stratum_gives_one_known_ones_first() -> None:
    drawn = across(ROWS, 5, [ROWS[4], ROWS[9]], 0)
    assert [ROWS.index(row) // 3 for row in drawn] == [0, 1, 2, 3, 4]
    assert ROWS[4] in drawn
    assert ROWS[9] in drawn
    assert across(ROWS, 99, [], 0) == ROWS


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "cost.png"
    draw_figure({"ranked": {"passes": [1.0, 2.0], "accuracy": [0.4, 0.5]}}, path)
    assert path.read_bytes()[:4] == b"\x89PNG"
