"""The number of experts when it is not given: found, recorded, the same after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moesaic.config import make_config
from moesaic.errors import Interrupted
from moesaic.runs import Watcher, open_run, resume, search
from moesaic.runs._how_many import brier


@pytest.fixture(scope="module")
def auto(spec: str) -> dict[str, Any]:
    return {
        "data": spec,
        "experts": "auto",
        "clusters": 3,
        "trials": 4,
        "rungs": (1, 2),
        "widths": (4, 6),
        "epochs": 2,
        "executor": "inprocess",
        "baselines": False,
        "seed": 3,
    }


class StopAt(Watcher):
    """Presses Ctrl-C at the first trial of a stage."""

    def __init__(self, words: str) -> None:
        self.words = words

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        if self.words in title:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(
    auto: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("auto") / "run"
    return folder, search(make_config(auto), folder).result


def test_the_number_is_found_and_every_step_is_on_record(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    _, result = whole
    found = result["how_many"]
    assert found["most"] == 3
    assert 1 <= found["found"] <= 3
    assert found["experts"] == max(2, found["found"]) == len(result["selection"]["experts"])
    assert [found["steps"][0][name] for name in ("from", "to")] == [1, 2]
    for step in found["steps"]:
        gain = step["gain"]
        assert gain["low"] <= gain["mean"] <= gain["high"]
        assert step["pays"] == (
            gain["low"] > 0 and gain["mean"] >= found["least_share"] * step["loss"]
        )
    paid = [step["to"] for step in found["steps"] if step["pays"]]
    assert found["found"] == (paid[-1] if paid else 1)


def test_only_the_mixture_that_was_found_is_trained(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, result = whole
    with open_run(folder).bank() as bank:
        mixtures = bank.observations(kind="mixture")
        ladder = [t for t in bank.trials() if t.stage.startswith("how-many-")]
    assert {len(one.trial.payload["experts"]) for one in mixtures} == {
        result["how_many"]["experts"]
    }
    assert len(mixtures) == 1
    # one for all data, and two for every group that is divided: the groups are nested
    tried = max(step["to"] for step in result["how_many"]["steps"])
    assert len(ladder) == 1 + 2 * (tried - 1)
    assert len({trial.subset for trial in ladder}) == len(ladder)
    # a group that K experts first bring gets K times the passes, whatever its size
    last = 2  # epochs of the highest rung
    for trial in ladder:
        assert trial.recipe["epochs"] == last * int(trial.stage.removeprefix("how-many-"))


@pytest.mark.parametrize("words", ["are 2 enough", "specialise"])
def test_interrupted_in_between_it_finds_the_same(
    whole: tuple[Path, dict[str, Any]], auto: dict[str, Any], tmp_path: Path, words: str
) -> None:
    _, expected = whole
    with pytest.raises(Interrupted):
        search(make_config(auto), tmp_path / "run", StopAt(words))
    found = resume(tmp_path / "run").result
    for key in ("how_many", "theory", "selection", "verdict"):
        assert found[key] == expected[key]


def test_given_numbers_are_not_looked_for(settings: dict[str, Any], tmp_path: Path) -> None:
    config = make_config({**settings, "baselines": False})
    result = search(config, tmp_path / "run").result
    assert result["how_many"] is None
    assert len(result["selection"]["experts"]) == 2


def test_what_the_gate_confuses_is_paid_for(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, result = whole
    named = np.load(folder / "structure" / "named.npy", allow_pickle=False)
    with np.load(folder / "structure" / "partition.npz", allow_pickle=False) as stored:
        right = float((named == stored["validation"]).mean())
    assert right == pytest.approx(result["structure"]["routability"])


def test_the_score_is_the_squared_error_of_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    told = rng.dirichlet(np.ones(4), 30)
    labels = rng.integers(0, 4, 30)
    found = brier(np.log(told).astype(np.float16), labels)
    assert found == pytest.approx(((told - np.eye(4)[labels]) ** 2).sum(axis=1), abs=5e-3)
    certain = np.log(np.array([[1.0, 1e-20]])).clip(-6e4).astype(np.float16)
    assert brier(certain, np.array([0]))[0] == pytest.approx(0.0, abs=1e-6)
    assert brier(certain, np.array([1]))[0] == pytest.approx(2.0, abs=1e-6)
