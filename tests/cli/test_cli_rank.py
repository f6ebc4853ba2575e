"""`moesaic rank` on a campaign: keys, first line, limits, training, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from moesaic.cli import app

runner = CliRunner()

PLUGIN = """
from torch import nn
from moesaic.spaces import register_family

def small(width):
    def build(shape, classes):
        return nn.Sequential(
            nn.Conv2d(shape[0], width, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(width, classes),
        )
    return build

for width in (2, 3, 4, 5):
    register_family(f"Rank{width}", small(width))
"""


def invoke(*words: object) -> Result:
    return runner.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rank")
    (place / "families.py").write_text(PLUGIN)
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = (rng.random((120, 8, 8)) * 60 + 60 * labels[:, None, None]).astype(np.uint8)
    np.savez(
        place / "images.npz",
        train_images=images[:90],
        train_labels=labels[:90],
        test_images=images[90:],
        test_labels=labels[90:],
        classes=np.array(["a", "b", "c"]),
    )
    words = ["--data", place / "images.npz", "--plugin", place / "families.py"]
    words += ["--pool", "Rank2,Rank3,Rank4,Rank5", "--experts", 2, "--clusters", 2]
    words += ["--candidates", 2, "--epochs", 1, "--executor", "inprocess"]
    words += ["--planner", "ranked", "--out", place / "run", "--quiet"]
    found = invoke("campaign", *words)
    assert found.exit_code == 0, found.output
    return place / "run"


def test_json_has_the_promised_keys(run: Path) -> None:
    words = ["rank", run, "--experts", 2, "--score", "oracle", "--top", 4, "--json"]
    told = json.loads(invoke(*words).stdout)
    assert told["scored"] == 6
    assert told["seconds"] > 0
    assert len(told["best"]) == 4
    for row in told["best"]:
        assert {"members", "score", "low", "high"} <= set(row)
        assert row["low"] <= row["score"] <= row["high"]
        assert len(row["members"]) == 2
    scores = [row["score"] for row in told["best"]]
    assert scores == sorted(scores)


def test_the_first_line_is_the_best_mixture(run: Path) -> None:
    told = json.loads(invoke("rank", run, "--json").stdout)["best"][0]
    shown = invoke("rank", run).stdout
    assert shown.splitlines()[0].startswith(f"Best by oracle: {' + '.join(told['members'])}, ")
    assert "6 of 6, in" in shown
    assert "nats, less is better" in shown
    assert "% of accuracy" in invoke("rank", run, "--score", "mean").stdout


def test_limits_and_names_are_obeyed(run: Path) -> None:
    words = ["--must-have", "Rank3", "--must-not", "Rank5", "--max-parameters", 80, "--json"]
    told = json.loads(invoke("rank", run, *words).stdout)
    for row in told["best"]:
        assert "Rank3" in row["members"]
        assert "Rank5" not in row["members"]
        assert row["parameters"] <= 80


def test_the_short_list_can_be_trained(run: Path) -> None:
    told = json.loads(invoke("rank", run, "--train", 1, "--json").stdout)
    (row,) = told["trained"]
    assert row["members"] == told["best"][0]["members"]
    assert 0 <= row["accuracy"] <= 1
    assert "trained jointly" in invoke("rank", run, "--train", 1).stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--score", "orcale"], "did you mean oracle"),
        (["--must-have", "Rank9"], "unknown expert"),
        (["--experts", 9], "4 experts with predictions"),
        (["--top", 0], "--top"),
    ],
)
def test_what_is_wrong_is_one_line(run: Path, words: list[object], told: str) -> None:
    found = invoke("rank", run, *words)
    assert found.exit_code == 2
    assert told in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_there_must_be_a_run(tmp_path: Path) -> None:
    found = invoke("rank", tmp_path / "none")
    assert found.exit_code == 2
    assert "no run in" in found.stderr


def test_a_ranked_plan_cannot_be_had_before() -> None:
    found = invoke("campaign", "--planner", "ranked", "--plan-only")
    assert found.exit_code == 2
    assert "--plan-only" in found.stderr
