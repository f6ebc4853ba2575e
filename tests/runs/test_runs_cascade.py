"""cascade() on finished runs: what it tells is what its model does; bad input changes nothing."""

import json
import shutil
import sqlite3
import subprocess

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import moesaic
from moesaic.bank import Bank
from moesaic.cli import app
from moesaic.data import open_dataset
from moesaic.errors import DamagedRun, InputError
from moesaic.runs import rank
from moesaic.runs._folder import held, open_folder
from moesaic.training import count_macs


@pytest.fixture(scope="module")
def runs(spec, tmp_path_factory):
    """A cheap and a dear run on the same data, and the settings of both."""
    folder = tmp_path_factory.mktemp("runs")
    words = {
        "data": spec,
        "experts": 2,
        "trials": 2,
        "rungs": (1,),
        "epochs": 3,
        "executor": "inprocess",
        "baselines": False,
        "seed": 3,
    }
    cheap = moesaic.search(out=folder / "cheap", widths=(2, 2), **words)
    dear = moesaic.search(out=folder / "dear", widths=(6, 8), **words)
    return cheap.folder, dear.folder, words


def answers(run, samples):
    """Guess, probability and cost of every sample, by the model alone."""
    model = moesaic.load_model(run)
    with torch.no_grad():
        sure, guess = model(samples).softmax(1).max(1)
        weights = model.route(samples)
    network = model.network
    if weights.shape[1] == 1:
        macs = torch.full((len(samples),), float(count_macs(network, model.input_shape)))
    else:
        cost = [float(count_macs(one, model.input_shape)) for one in network.experts]
        gate = count_macs(network.gate, model.input_shape)
        macs = gate + (weights > 0).float() @ torch.tensor(cost)
    return guess, sure, weights.argmax(1), macs


def by_hand(stages, thresholds, samples, labels):
    """Accuracy and mean cost of two stages with thresholds, from the models themselves."""
    (first, sure, region, cost), (second, _, _, more) = (answers(run, samples) for run in stages)
    # thresholds are kept in float32
    going = sure < torch.tensor(thresholds, dtype=torch.float32)[region, 0]
    guess = torch.where(going, second, first)
    return float((guess == labels).float().mean()), float((cost + going * more).mean())


@pytest.mark.parametrize("words", [{}, {"price": 5.0}, {"max_macs": 1e9}])
def test_what_is_told_is_what_the_models_do(runs, words, tmp_path):
    cheap, dear, _ = runs
    found = moesaic.cascade([dear, cheap], tmp_path / "both", **words)
    stages = [stage["run"] for stage in found["stages"]]
    assert stages == [str(cheap), str(dear)]
    assert json.loads((tmp_path / "both" / "result.json").read_text()) == found
    data = open_dataset(cheap / "data", test=True)
    for split, told in ((data.validation, found["validation"]), (data.test, found["test"])):
        accuracy, macs = by_hand(stages, found["thresholds"], split.inputs, split.labels)
        assert told["accuracy"] == pytest.approx(accuracy)
        assert told["macs"] == pytest.approx(macs, rel=1e-5)
    model = moesaic.load_model(tmp_path / "both")
    with torch.no_grad():
        right = (model(data.test.inputs).argmax(1) == data.test.labels).float().mean()
        reached = model.route(data.test.inputs)[:, 1].mean()
    assert found["test"]["accuracy"] == pytest.approx(float(right))
    assert found["stages"][1]["reached"] == pytest.approx(float(reached))


def test_without_a_price_no_model_is_better_on_validation_and_no_cheaper_point_as_good(
    runs, tmp_path
):
    found = moesaic.cascade(runs[:2], tmp_path / "both")
    goal = max(stage["validation_accuracy"] for stage in found["stages"])
    assert found["validation"]["accuracy"] >= goal - 1e-9
    for point in found["front"]:
        if point["macs"] < found["validation"]["macs"] - 1e-6:
            assert point["accuracy"] < goal


def test_a_limit_is_kept_and_a_high_price_asks_the_cheap_model_alone(runs, tmp_path):
    front = moesaic.cascade(runs[:2], tmp_path / "all")["front"]
    limit = float(np.mean([front[0]["macs"], front[-1]["macs"]])) + 1
    kept = moesaic.cascade(runs[:2], tmp_path / "limit", max_macs=limit)
    assert kept["validation"]["macs"] <= limit
    cheap = moesaic.cascade(runs[:2], tmp_path / "price", price=1e6)
    assert cheap["stages"][1]["reached"] == 0
    assert cheap["note"] == f"No sample of the validation split needs {runs[1]}."
    assert cheap["test"]["accuracy"] == pytest.approx(cheap["stages"][0]["test_accuracy"])


def test_the_same_pixels_under_other_names_are_other_data(runs, tmp_path):
    cheap, dear, _ = runs
    renamed = tmp_path / "renamed"
    shutil.copytree(dear, renamed)
    file = renamed / "model" / "model.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "classes": told["classes"][::-1]}))
    with pytest.raises(InputError, match="renamed saw other data than"):
        moesaic.cascade([cheap, renamed], tmp_path / "both")
    with Bank.open(renamed) as bank:
        data = bank.meta("data")
        bank.set_meta("data", {**data, "classes": dict(reversed(data["classes"].items()))})
    with pytest.raises(InputError, match="renamed saw other data than"):
        rank(cheap, also=[renamed])


def test_what_was_running_when_a_run_stopped_is_to_be_done(runs, tmp_path):
    stopped = tmp_path / "stopped"
    shutil.copytree(runs[0], stopped)
    with Bank.open(stopped) as bank:
        key = bank.trials()[0].key
    database = sqlite3.connect(stopped / "moesaic.db")
    with database:
        database.execute("UPDATE trials SET status = 'running' WHERE key = ?", (key,))
    database.close()
    seen = moesaic.open_run(stopped).status()
    assert (seen["at_work"], seen["trials"]["running"], seen["trials"]["planned"]) == (False, 0, 1)
    with held(open_folder(stopped)):
        seen = moesaic.open_run(stopped).status()
    assert (seen["at_work"], seen["trials"]["running"], seen["trials"]["planned"]) == (True, 1, 0)
    assert sum(stage["running"] for stage in seen["stages"]) == 1


def test_numbers_of_numpy_are_numbers(runs, tmp_path):
    found = moesaic.cascade(runs[:2], tmp_path / "both", price=np.float32(5))
    assert found == json.loads((tmp_path / "both" / "result.json").read_text())


def test_what_killed_ones_left_beside_it_goes_and_what_is_being_written_stays(runs, tmp_path):
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    left, written = (tmp_path / f".both.{pid}" for pid in (int(dead.stdout), 1))
    left.mkdir()
    written.mkdir()
    moesaic.cascade(runs[:2], tmp_path / "both")
    assert {path.name for path in tmp_path.iterdir()} == {"both", ".both.1"}


def test_the_command_tells_it_and_predicts_with_it(runs, tmp_path):
    runner, out = CliRunner(), tmp_path / "both"
    told = runner.invoke(app, ["cascade", str(runs[0]), str(runs[1]), "--out", str(out)])
    assert told.exit_code == 0
    assert "% of the compute of" in told.stdout.splitlines()[0]
    assert str(runs[1]) in told.stdout
    words = ["cascade", str(runs[0]), str(runs[1]), "--out", str(tmp_path / "still"), "--quiet"]
    assert runner.invoke(app, words).output == ""
    from PIL import Image

    Image.new("L", (8, 8), 90).save(tmp_path / "a.png")
    found = runner.invoke(app, ["predict", str(out), str(tmp_path / "a.png"), "--json"])
    assert found.exit_code == 0
    one = json.loads(found.stdout)["predictions"][0]
    assert one["stage"] == int(np.argmax(one["weights"]))
    assert "expert" not in one
    text = runner.invoke(app, ["predict", str(out), str(tmp_path / "a.png")]).stdout
    assert text.splitlines()[0].split()[-1] == "stage"


@pytest.mark.parametrize("place", ["_measured", "write_json", "save_cascade"])
def test_stopped_at_any_point_it_leaves_nothing_and_can_be_repeated(
    runs, tmp_path, monkeypatch, place
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "both"
    with monkeypatch.context() as patch:
        patch.setattr(f"moesaic.runs._cascade.{place}", stop)
        with pytest.raises(KeyboardInterrupt):
            moesaic.cascade(runs[:2], out)
    assert list(tmp_path.iterdir()) == []
    out.mkdir()  # an empty one is as good as none
    found = moesaic.cascade(runs[:2], out)
    assert {path.name for path in out.iterdir()} == {"model", "result.json"}
    assert found["test"] == moesaic.cascade(runs[:2], tmp_path / "again")["test"]


def test_bad_input_is_one_line_and_writes_nothing(runs, tmp_path):
    cheap, dear, words = runs
    other = moesaic.search(out=tmp_path / "other", widths=(2, 2), **{**words, "seed": 4}).folder
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "config.yaml").write_bytes((cheap / "config.yaml").read_bytes())
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept.txt").write_text("kept")
    out = tmp_path / "out"
    cases = [
        ([], {}, "0 runs given: a cascade has two to 4"),
        ([cheap], {}, "was searched without a price, so it tried no sizes"),
        ([cheap], {"price": 1.0}, "tried no sizes of its experts: search with --price, or name"),
        ([cheap, dear] * 3, {}, "6 runs given"),
        ([cheap, cheap], {}, "the same run is named twice"),
        ([cheap, tmp_path / "none"], {}, "no run in"),
        ([cheap, unfinished], {}, "is not finished"),
        ([cheap, other], {}, "saw other data"),
        ([cheap, dear], {"price": 1.0, "max_macs": 1e6}, "not both"),
        ([cheap, dear], {"price": -1.0}, "price is -1"),
        ([cheap, dear], {"max_macs": 10.0}, "raise --max-macs, or name a cheaper run too"),
        ([cheap, dear], {"max_macs": float("nan")}, "max_macs is nan"),
    ]
    for named, settings, message in cases:
        with pytest.raises(InputError, match=message) as told:
            moesaic.cascade(named, out, **settings)
        assert "\n" not in str(told.value)
        assert not out.exists()
    with pytest.raises(InputError, match="is there already"):
        moesaic.cascade([cheap, dear], full)
    assert [path.name for path in full.iterdir()] == ["kept.txt"]
    for place in (full / "kept.txt" / "child", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="give another place with --out"):
            moesaic.cascade([cheap, dear], place)
    line = CliRunner().invoke(app, ["cascade", str(cheap), "--out", str(out)])
    assert line.exit_code == 2


def test_a_run_whose_model_answers_no_numbers_is_named(runs, tmp_path):
    cheap, dear, _ = runs
    broken = tmp_path / "broken"
    shutil.copytree(cheap, broken)
    file = broken / "model" / "model.safetensors"
    save_file({name: value * float("nan") for name, value in load_file(file).items()}, file)
    with pytest.raises(DamagedRun, match=r"the model of .*broken answers what is not a number"):
        moesaic.cascade([broken, dear], tmp_path / "out")
    assert not (tmp_path / "out").exists()
