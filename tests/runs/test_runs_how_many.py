"""The number of experts when it is not given: found, recorded, the same after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moesaic.bank import Bank
from moesaic.config import make_config
from moesaic.data import open_dataset
from moesaic.errors import Interrupted
from moesaic.runs import Watcher, open_run, resume, search
from moesaic.runs._context import load_partition
from moesaic.runs._evidence import brier
from moesaic.runs._how_many import MOST_REPEATS, REPEATS
from moesaic.runs._structure import group_clusters
from moesaic.seeds import derive_seed

SEED = 9  # of a run with a step that two trainings leave open


@pytest.fixture(scope="module")
def auto(spec: str) -> dict[str, Any]:
    return {
        "data": spec,
        "experts": "auto",
        "clusters": 4,
        "trials": 4,
        "rungs": (1, 2),
        "widths": (4, 6),
        "epochs": 2,
        "executor": "inprocess",
        "baselines": False,
        "seed": SEED,
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
    assert found["most"] == 4
    assert 1 <= found["found"] <= 4
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


def test_every_number_is_trained_alike(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, result = whole
    told = result["how_many"]
    with open_run(folder).bank() as bank:
        final = bank.observations(stage="final-0-mixture")
        ladder = [t for t in bank.trials() if t.stage.startswith("how-many-")]
        predicted = {trial.key: bank.predictions(trial.key) for trial in ladder}
        rung = {trial.architecture for trial in bank.trials(stage="rung-1")}
    assert [len(one.trial.payload["experts"]) for one in final] == [told["experts"]]
    tried = max(3, *(step["to"] for step in told["steps"]))
    stages = [f"how-many-{count}" for count in range(1, tried + 1)]
    counts = {
        n: len([t for t in ladder if t.stage == f"how-many-{n}"]) for n in range(1, tried + 1)
    }
    assert sum(counts.values()) == len(ladder)
    # what a step left open was trained more often, both sides of it
    for step in told["steps"]:
        gain = step["gain"]
        if gain["low"] <= 0 and gain["mean"] >= told["least_share"] * step["loss"]:
            assert step["trainings"] == [MOST_REPEATS] * 2
        for number, trained in zip((step["from"], step["to"]), step["trainings"], strict=True):
            assert REPEATS <= trained <= counts[number] <= MOST_REPEATS
    # the same network, recipe and seeds, whatever the number; nothing is continued
    assert {trial.recipe["epochs"] for trial in ladder} == {told["epochs"]} == {2}
    assert all(trial.parent is None and trial.subset is None for trial in ladder)
    for stage in stages:
        seeds = {t.index: t.seed for t in ladder if t.stage == stage}
        assert seeds == {index: derive_seed(SEED, "how-many", index) for index in seeds}
    one = next(trial.architecture for trial in ladder if trial.stage == "how-many-1")
    assert one is not None
    assert one in rung
    routings = []
    for trial in ladder:
        if trial.stage != "how-many-1":
            count = int(trial.stage.removeprefix("how-many-"))
            assert trial.payload["experts"] == [one.to_dict()] * count
            assert set(trial.payload["routing"]) == set(range(count))
            routings.append(trial.payload["routing"])
    # nested: what one more divides was together before
    for few in routings:
        for more in routings:
            if max(few) < max(more):
                assert len(set(zip(few, more, strict=True))) == max(more) + 1
    # the losses are the mean Brier scores of the stored predictions
    labels = open_dataset(folder / "data").validation.labels.numpy()
    first = told["steps"][0]
    alone = [t for t in ladder if t.stage == "how-many-1" and t.index < first["trainings"][0]]
    scores = [brier(predicted[t.key], labels) for t in alone]
    assert first["loss"] == pytest.approx(float(np.mean(scores)))


def routing_of(bank: Bank, count: int, clusters: int) -> list[int]:
    """The group of every cluster that mixtures of so many experts were trained for."""
    if count == 1:
        return [0] * clusters
    found: list[int] = bank.trials(stage=f"how-many-{count}")[0].payload["routing"]
    return found


def divided(before: list[int], after: list[int]) -> list[bool]:
    """Whether the group of each cluster is divided."""
    parts: dict[int, set[int]] = {}
    for few, more in zip(before, after, strict=True):
        parts.setdefault(few, set()).add(more)
    return [len(parts[group]) > 1 for group in before]


def test_a_step_gains_on_the_samples_that_it_divides(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, result = whole
    labels = open_dataset(folder / "data").validation.labels.numpy()
    clusters = load_partition(str(folder)).validation
    count = result["structure"]["clusters"]
    partly = 0
    with open_run(folder).bank() as bank:
        for step in result["how_many"]["steps"]:
            ends = (step["from"], step["to"])
            seen = np.array(divided(*(routing_of(bank, end, count) for end in ends)))[clusters]
            means = []
            for end, trainings in zip(ends, step["trainings"], strict=True):
                trials = bank.trials(stage=f"how-many-{end}")[:trainings]
                rows = [brier(bank.predictions(trial.key), labels) for trial in trials]
                means.append(np.mean(rows, axis=0))
            gain = (means[0] - means[1])[seen].sum() / len(labels)
            assert step["gain"]["mean"] == pytest.approx(gain)
            assert step["loss"] == pytest.approx(means[0].mean())
            partly += not seen.all()
    assert partly  # some step left a group as it was


def test_every_group_is_divided_the_way_that_was_measured_to_lose_least(
    whole: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = whole
    told = result["how_many"]
    labels = open_dataset(folder / "data").validation.labels.numpy()
    clusters = load_partition(str(folder)).validation
    assert told["ways"]
    with open_run(folder).bank() as bank:
        for count, ways in told["ways"].items():
            trials = bank.trials(stage=f"divide-{count}")
            assert [trial.payload["routing"] for trial in trials] == [w["groups"] for w in ways]
            assert len(trials) > 1
            assert {trial.recipe["epochs"] for trial in trials} == {1}  # a quarter, at least one
            assert {trial.seed for trial in trials} == {derive_seed(SEED, "how-many", 0)}
            before = routing_of(bank, int(count) - 1, len(ways[0]["groups"]))
            seen = np.any([divided(before, way["groups"]) for way in ways], axis=0)[clusters]
            rows = [brier(bank.predictions(trial.key), labels) for trial in trials]
            scores = [float((row * seen).mean()) for row in rows]
            assert [way["loss"] for way in ways] == pytest.approx(scores)
            best = ways[int(np.argmin(scores))]["groups"]
            longer = bank.trials(stage=f"how-many-{count}")
            assert all(trial.payload["routing"] == best for trial in longer)
        trained = bank.trials(stage=f"how-many-{told['experts']}")
        first = bank.trials(stage=f"specialise-{told['experts']}-0")
    assert trained[0].payload["routing"] == told["groups"]
    # specialists begin from the groups that were found
    subsets = {trial.subset for trial in first if trial.subset is not None}
    groups = np.asarray(told["groups"])
    assert subsets == {tuple((groups == k).tolist()) for k in range(told["experts"])}


def test_under_a_budget_no_way_is_measured(auto: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = search(make_config({**auto, "budget": 600.0}), folder).result
    told = result["how_many"]
    assert told["ways"] == {}
    for count in range(2, 4):
        with open_run(folder).bank() as bank:
            for trial in bank.trials(stage=f"how-many-{count}"):
                assert trial.payload["routing"] == group_clusters(str(folder), count).tolist()


@pytest.mark.parametrize("words", ["divide into 3", "are 3 enough", "once more", "specialise"])
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


def test_the_score_is_the_squared_error_of_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    told = rng.dirichlet(np.ones(4), 30)
    labels = rng.integers(0, 4, 30)
    found = brier(np.log(told).astype(np.float16), labels)
    assert found == pytest.approx(((told - np.eye(4)[labels]) ** 2).sum(axis=1), abs=5e-3)
    certain = np.log(np.array([[1.0, 1e-20]])).clip(-6e4).astype(np.float16)
    assert brier(certain, np.array([0]))[0] == pytest.approx(0.0, abs=1e-6)
    assert brier(certain, np.array([1]))[0] == pytest.approx(2.0, abs=1e-6)


def test_a_budget_given_in_between_keeps_the_ways_that_were_measured(
    whole: tuple[Path, dict[str, Any]], auto: dict[str, Any], tmp_path: Path
) -> None:
    expected = whole[1]["how_many"]["ways"]
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        search(make_config(auto), folder, StopAt("are 3 enough"))
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("\nbudget: null", "\nbudget: 600"))
    found = resume(folder).result["how_many"]["ways"]
    assert found == {count: ways for count, ways in expected.items() if int(count) <= 3}


def test_a_number_that_an_earlier_version_found_has_no_groups_on_record(
    whole: tuple[Path, dict[str, Any]], auto: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        search(make_config(auto), folder, StopAt("specialise"))
    with open_run(folder).bank() as bank:
        told = bank.meta("how_many")
        bank.set_meta("how_many", {k: v for k, v in told.items() if k not in ("groups", "ways")})
    assert resume(folder).result["how_many"]["found"] == whole[1]["how_many"]["found"]
