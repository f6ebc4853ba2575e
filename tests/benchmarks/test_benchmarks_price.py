"""The benchmarks of easy and hard data, of the factorial and of searches with several seeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_data import write
from benchmarks._again import clusters_on_their_source, cut
from benchmarks._equal import (
    doubling,
    equal_accuracy,
    least_share,
    share_by_luck,
    training_luck,
)
from benchmarks.easy_hard import stages_of
from benchmarks.factorial import CELLS, _effects
from scipy.optimize import minimize

from moesaic.data import load_dataset, save_dataset
from moesaic.errors import InputError
from moesaic.runs._context import save_partition
from moesaic.runs._folder import RunFolder
from moesaic.structure import Partition

ROOT = Path(__file__).parents[2]


def call(module: str, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(searched: tuple[float, float], *rows: tuple[float, float, float]) -> dict[str, Any]:
    told = {
        f"homogeneous {ratio:g}": {"macs": macs, "accuracy": accuracy}
        for ratio, macs, accuracy in rows
    }
    return {"searched": {"macs": searched[0], "accuracy": searched[1]}, **told}


def test_the_homogeneous_mixture_of_equal_accuracy_is_the_nearest() -> None:
    found = equal_accuracy(
        table((1e6, 0.80), (0.5, 5e5, 0.70), (1.0, 1e6, 0.78), (2.0, 2e6, 0.802), (4.0, 4e6, 0.9)),
        [0.5, 1.0, 2.0, 4.0],
    )
    assert found["homogeneous"] == "homogeneous 2"
    assert found["share"] == pytest.approx(0.5)
    # .80 is reached between 1 M (.78) and 2 M (.802)
    assert 0.5 < found["share_interpolated"] < 0.55
    assert 1.8e6 < found["equal_macs"] < 2e6


def test_where_none_is_near_nothing_is_claimed() -> None:
    found = equal_accuracy(table((1e6, 0.9), (1.0, 1e6, 0.7), (2.0, 2e6, 0.8)), [1.0, 2.0])
    assert found["homogeneous"] is None
    assert found["share"] is None
    assert found["share_interpolated"] is None
    assert found["best_homogeneous_ahead"] == pytest.approx(-0.1)


def test_a_cheaper_one_as_good_says_that_sizes_cost() -> None:
    found = equal_accuracy(table((1e6, 0.8), (0.5, 5e5, 0.801), (1.0, 1e6, 0.9)), [0.5, 1.0])
    assert found["homogeneous"] == "homogeneous 0.5"
    assert found["share"] == pytest.approx(2.0)


def test_a_homogeneous_one_that_a_cheaper_one_beats_does_not_count() -> None:
    rows = table((1e6, 0.8), (1.0, 1e6, 0.7), (2.0, 2e6, 0.8), (4.0, 4e6, 0.85))
    rows["homogeneous 1, expert's cell"] = {"macs": 1.1e6, "accuracy": 0.79}
    rows["homogeneous 2, expert's cell"] = {"macs": 1.9e6, "accuracy": 0.802}
    found = equal_accuracy(rows, [1.0, 2.0, 4.0])
    assert found["homogeneous"] == "homogeneous 2, expert's cell"
    assert found["share"] == pytest.approx(1 / 1.9)
    assert 1.1e6 < found["equal_macs"] < 1.9e6


def test_another_row_may_be_compared_with_them() -> None:
    rows = table((1e6, 0.8), (1.0, 1e6, 0.7), (2.0, 2e6, 0.8))
    rows["cascade"] = {"macs": 5e5, "accuracy": 0.8}
    found = equal_accuracy(rows, [1.0, 2.0], "cascade")
    assert (found["macs"], found["share"]) == (5e5, pytest.approx(0.25))


def test_a_cascade_goes_from_the_highest_price_to_the_searched_mixture() -> None:
    together = {"cascade": ["cascade, stage 1", "cascade, stage 2"]}
    assert stages_of([1.0, 0.5, 2.0], [0.25, 4.0, 12.0]) == {
        **together,
        "cascade of prices": ["searched, price x12", "searched, price x4", "searched"],
        "cascade of copies": ["homogeneous 0.5, expert's cell", "homogeneous 2, expert's cell"],
    }
    assert set(stages_of([1.0, 2.0], [0.25])) == {"cascade", "cascade of copies"}
    assert set(stages_of([1.0], [4.0])) == {"cascade", "cascade of prices"}
    assert stages_of([1.0], []) == together


def test_the_luck_of_a_training_is_pooled_over_rows() -> None:
    rng = np.random.default_rng(0)
    rows = [
        [{"accuracy": mean + 0.01 * each} for each in rng.standard_normal(3)]
        for mean in rng.uniform(0.5, 0.9, 400)
    ]
    assert training_luck(rows) == pytest.approx(0.01, rel=0.1)
    assert training_luck([[{"accuracy": 0.1}, {"accuracy": 0.3}]]) == pytest.approx(np.sqrt(0.02))
    assert training_luck([row[:1] for row in rows]) is None


def test_the_share_is_told_with_what_luck_leaves_open() -> None:
    rows = table((1e6, 0.79), (1.0, 1e6, 0.77), (2.0, 2e6, 0.8), (4.0, 4e6, 0.83))
    for row in rows.values():
        row["trainings"] = 9
    ratios = [1.0, 2.0, 4.0]
    share = equal_accuracy(rows, ratios)["share_interpolated"]
    assert share == pytest.approx(2 ** (-2 / 3))
    none = share_by_luck(rows, ratios, 0.0)
    assert none is not None
    assert none["low"] == pytest.approx(share)
    assert none["high"] == pytest.approx(share)
    # of both rows .001 deviates, a point in accuracy being a third of a doubling
    some = share_by_luck(rows, ratios, 0.003)
    assert some is not None
    assert some["low"] is not None
    assert some["high"] is not None
    assert some["low"] < share < some["high"]
    half = np.log2(some["high"] / some["low"]) / 2
    assert 1.96 * 0.001 / 0.03 < half < 1.96 * 0.001 * np.sqrt(2) / 0.03
    wide = share_by_luck(rows, ratios, 0.3)
    assert wide == {"low": None, "high": None}
    assert share_by_luck(rows, ratios, None) is None


@pytest.mark.parametrize("gains", [(0.2, 1.0), (0.05, 1.0), (1.0, 1.0), (0.3, 0.6, 2.0)])
def test_the_least_share_is_what_a_minimiser_finds(gains: tuple[float, ...]) -> None:
    weight = np.asarray(gains)
    found = minimize(  # log2 of the sizes, those of equal experts being 0
        lambda sizes: np.mean(2.0**sizes),
        np.zeros(len(gains)),
        constraints={"type": "eq", "fun": lambda sizes: weight @ sizes},
        tol=1e-12,
    )
    share = least_share(gains)
    assert share == pytest.approx(found.fun, rel=1e-4)
    assert share == pytest.approx(least_share([7 * gain for gain in gains]))


def test_what_gains_nothing_needs_nothing() -> None:
    assert least_share([0.0, 1.0]) == pytest.approx(0.5)
    assert least_share([-1.0, 1.0]) == pytest.approx(0.5)
    assert least_share([0.0, -1.0]) is None


def test_gains_are_those_of_the_copies_of_the_searched_cell() -> None:
    rows = {
        "homogeneous 1, expert's cell": {"macs": 1e6, "sources": [0.9, 0.5]},
        "homogeneous 2, expert's cell": {"macs": 2e6, "sources": [0.8, 0.9]},
        "homogeneous 4, expert's cell": {"macs": 4e6, "sources": [0.91, 0.56]},
    }
    found = doubling(rows, [4.0, 1.0, 2.0])
    assert found is not None
    assert found["gains"] == pytest.approx([0.005, 0.03])
    assert found["least_share"] == pytest.approx(least_share([1, 6]))
    assert doubling(rows, [1.0]) is None


def test_main_effects_are_those_that_were_put_in() -> None:
    worth = {"random": 0.0, "found": 0.04, "oracle": 0.05, "taught": 0.02, "learned": -0.01}
    score = {
        cell: np.array([0.5, 0.6]) + sum(worth.get(level, 0) for level in cell) for cell in CELLS
    }
    assert _effects(score, 0)["found - random"]["mean"] == pytest.approx(0.04)
    assert _effects(score, 0)["oracle - random"]["mean"] == pytest.approx(0.05)
    assert _effects(score, 1)["searched - same"]["mean"] == pytest.approx(0.0)
    assert _effects(score, 2)["taught - cluster"]["mean"] == pytest.approx(0.02)


def test_samples_are_cut_once_and_the_test_images_stay(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 90)}"
    small = cut(spec, 40, 0, tmp_path / "cut")
    assert small == cut(spec, 40, 0, tmp_path / "cut") != cut(spec, 40, 1, tmp_path / "cut")
    for path in small.split("+"):
        with np.load(path) as stored:
            assert stored["train_labels"].shape == (40,)
            assert stored["test_labels"].shape == (30,)
    assert cut(spec, None, 0, tmp_path / "cut") == spec
    with pytest.raises(InputError, match="npz files only"):
        cut("digits", 40, 0, tmp_path / "cut")


def test_near_duplicates_of_a_source_are_grouped_before_the_cut(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 90)}"
    first, second = cut(spec, 40, 0, tmp_path / "cut", [0.8, 0]).split("+")
    with np.load(first) as stored, np.load(second) as other:
        assert stored["train_groups"].shape == stored["train_labels"].shape == (40,)
        assert "train_groups" not in other
    halves = cut(spec, 40, 0, tmp_path / "cut", [0.8, 0], 0.5).split("+")
    for path in halves:
        with np.load(path) as stored:
            assert stored["train_labels"].shape == stored["train_images"].shape[:1]
            assert 12 <= len(stored["validation_labels"]) == len(stored["validation_images"]) <= 20
            assert len(stored["train_labels"]) + len(stored["validation_labels"]) == 40
            assert "train_groups" not in stored
    with pytest.raises(InputError, match="each of the 2 sources"):
        cut(spec, 40, 0, tmp_path / "cut", [0.8])


def test_clusters_on_their_source_are_counted(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 90)}"
    dataset = load_dataset(spec, seed=0)
    place = tmp_path / "run"
    save_dataset(dataset, place / "data")
    (place / "structure").mkdir()
    domains = dataset.train.domains
    assert domains is not None
    inside = np.arange(len(domains)) % 2
    train = 2 * domains.numpy() + inside  # four clusters, two a source
    validation = np.zeros(len(dataset.validation), np.int64)
    save_partition(RunFolder(place), Partition(train, validation, 4))
    assert clusters_on_their_source(place, [0, 0, 1, 1]) == (4, 4)
    assert clusters_on_their_source(place, [1, 1, 0, 0]) == (4, 4)
    assert clusters_on_their_source(place, [0, 1, 1, 1]) == (3, 4)


SMALL = (
    *("--image-size", "8", "--seeds", "0", "--epochs", "1"),
    *("--set", "widths=[4,6]", "--set", "executor=inprocess"),
)


@pytest.mark.slow
def test_easy_hard_answers_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 120)}"
    words = ("--data", spec, "--out", str(tmp_path / "out"), *SMALL, "--samples", "60")
    words = (*words, "--trials", "5", "--rungs", "1", "--ratios", "0.5", "2", "--factors", "4")
    found = call("easy_hard", *words, "--repeats", "2")
    assert set(found["table"]) == {
        *("searched", "searched, price x4", "single 0.5", "single 2"),
        *("homogeneous 0.5", "homogeneous 2"),
        *("homogeneous 0.5, expert's cell", "homogeneous 2, expert's cell"),
        *("cascade", "cascade, stage 1", "cascade, stage 2"),
        *("cascade of prices", "cascade of copies"),
    }
    assert set(found["cascades"]) == {"cascade", "cascade of prices", "cascade of copies"}
    for name in found["cascades"]:
        assert found["cascades"][name]["macs"] == found["table"][name]["macs"]
        near, gap = (found["cascades"][name][part] for part in ("homogeneous", "ahead"))
        assert (gap is None) == (near is None)
        if near is not None:
            ahead = found["table"][name]["accuracy"] - found["table"][near]["accuracy"]
            assert gap["mean"] == pytest.approx(ahead, abs=1e-6)
            assert gap["low"] <= gap["mean"] <= gap["high"]
    rows = found["seeds"][0]["rows"]
    assert {name: len(rows[name]) for name in rows} == {
        name: 1 if name.startswith(("single", "searched,")) or name == "cascade of prices" else 2
        for name in found["table"]
    }
    for name, row in found["table"].items():
        assert row["trainings"] == len(rows[name])
        assert len({one["key"] for one in rows[name]}) == len(rows[name])
        mean = np.mean([one["accuracy"] for one in rows[name]])
        assert row["accuracies"] == [pytest.approx(mean)]
        assert row["sources"] == pytest.approx(
            np.mean([one["sources"] for one in rows[name]], axis=0)
        )
    assert found["training_luck"] > 0
    assert found["table"]["searched"]["searched_ahead"]["mean"] == 0
    assert found["macs"] == pytest.approx(found["table"]["searched"]["macs"])
    again = call("easy_hard", *words, "--repeats", "2")
    assert again["table"] == found["table"]


@pytest.mark.slow
def test_factorial_trains_every_cell(tmp_path: Path) -> None:
    spec = f"{write(tmp_path / 'a.npz', 0)}+{write(tmp_path / 'b.npz', 120)}"
    words = ("--data", spec, "--out", str(tmp_path / "out"), *SMALL, "--samples", "60")
    found = call("factorial", *words, "--clusters", "3", "--trials", "3", "--rungs", "1")
    assert len(found["table"]) == 27
    for row in found["table"]:
        assert 0 <= row["accuracy"]["mean"] <= 1
        assert (row["all"] is None) == (row["gate"] == "cluster")
    assert found["seeds"][0]["cells"]["centroids"]["agreement"] > 0.9
    assert set(found["effects"]) == {"routing", "architectures", "gate"}
    assert len(found["alone"]) == 6


@pytest.mark.slow
def test_two_domains_counts_clusters_over_seeds(tmp_path: Path) -> None:
    words = ("--data", "digits+textures", "--clusters", "4", "--repeats", "2", "--oracle", *SMALL)
    found = call("two_domains", *words, "--set", "trials=2", "--set", "rungs=[1]")
    assert found["clusters"] == [4]
    assert 2 <= found["clusters_right"][0] <= 4
    assert -1 <= found["gain_over_oracle"]["mean"] <= 1
