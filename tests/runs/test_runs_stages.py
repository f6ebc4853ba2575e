"""A cascade out of one search: two mixtures of its sizes, trained once; stopped, it goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import moesaic
from moesaic.bank import Bank, read_predictions
from moesaic.cli import app
from moesaic.data import open_dataset
from moesaic.errors import InputError, Interrupted
from moesaic.runs._folder import open_folder
from moesaic.runs._specialise import sizes_stage
from moesaic.runs._stages import plan_stages
from moesaic.selection import choose_stages
from moesaic.training import count_macs

PRICE = 0.001  # so cheap that a second answer pays


@pytest.fixture(scope="module")
def run(spec, tmp_path_factory):
    """A finished search under a price, whose experts have several sizes."""
    found = moesaic.search(
        data=spec,
        experts=2,
        trials=3,
        rungs=(2,),
        epochs=3,
        executor="inprocess",
        baselines=False,
        price=PRICE,
        widths=(4, 8),
        seed=5,
        out=tmp_path_factory.mktemp("stages") / "run",
    )
    return found.folder


@pytest.fixture(scope="module")
def one(run, tmp_path_factory):
    """The cascade out of it, and the run's result before."""
    before = (run / "result.json").read_bytes()
    return moesaic.cascade([run], tmp_path_factory.mktemp("one") / "one"), before


def planned(run, price):
    folder = open_folder(run)
    with Bank.open(folder.path) as bank:
        return plan_stages(folder, bank, folder.config(), price), bank.observations()


def test_the_stages_are_two_of_the_sizes_of_every_expert_the_best_of_all_pairs(run):
    trials, bank = planned(run, PRICE)
    assert len(trials) == 2
    mixture = next(one.trial for one in bank if one.trial.stage == "final-0-mixture")
    sized = [one for one in bank if one.trial.stage == sizes_stage(open_folder(run).config(), 2)]
    data = open_dataset(run / "data")
    with np.load(run / "structure" / "partition.npz") as stored:
        clusters = stored["validation"]
    routing = np.array(mixture.payload["routing"])
    told = np.stack(
        [read_predictions(run / "predictions" / f"{o.trial.key}.npy").astype(float) for o in sized]
    )
    share = np.exp(told) / np.exp(told).sum(axis=2, keepdims=True)
    group = [tuple((routing == expert).tolist()) for expert in range(2)]
    gate = count_macs(moesaic.load_model(run).network.gate, data.input_shape)
    best = choose_stages(
        share.max(axis=2),
        told.argmax(axis=2) == data.validation.labels.numpy(),
        [one.macs for one in sized],
        routing[clusters],
        1e-8 * PRICE,
        serves=[[one.trial.subset == group[expert] for expert in range(2)] for one in sized],
        gate=gate,
    )
    for stage, trial in enumerate(trials):
        experts = [sized[row].trial.architecture.to_dict() for row in best.experts[:, stage]]
        assert trial.payload == {**mixture.payload, "experts": experts}
        # all else is as in the mixture that the search trained
        assert replace(trial, payload={}, stage="", index=0) == replace(
            mixture, payload={}, stage="", index=0
        )


def test_of_one_run_two_mixtures_are_trained_and_compared_with_its_model(run, one):
    found, before = one
    assert found["price"] == PRICE
    assert [stage["run"] for stage in found["stages"]] == [str(run)] * 2
    assert found["stages"][0]["macs"] <= found["stages"][1]["macs"]
    assert found["against"]["stage"] is None
    data = open_dataset(run / "data", test=True).test
    own, model = moesaic.load_model(run), moesaic.load_model(found["run"])
    with torch.no_grad():
        theirs = (own(data.inputs).argmax(1) == data.labels).double()
        ours = (model(data.inputs).argmax(1) == data.labels).double()
    assert found["against"]["test_accuracy"] == pytest.approx(float(theirs.mean()))
    assert found["test"]["accuracy"] == pytest.approx(float(ours.mean()))
    assert found["against"]["gain"]["mean"] == pytest.approx(float((ours - theirs).mean()))
    ratio = found["test"]["macs"] / found["against"]["macs"]
    assert found["against"]["share_of_macs"] == pytest.approx(ratio)
    assert (run / "result.json").read_bytes() == before


def test_what_was_trained_is_not_trained_again_and_the_price_is_the_searchs_own(run, one, tmp_path):
    trials = len(planned(run, PRICE)[1])
    again = moesaic.cascade([run], tmp_path / "again", price=PRICE)
    assert {**again, "run": None} == {**one[0], "run": None}
    assert len(planned(run, PRICE)[1]) == trials


def test_a_limit_is_kept(run, one, tmp_path):
    front = one[0]["front"]
    limit = float(np.mean([front[0]["macs"], front[-1]["macs"]])) + 1
    kept = moesaic.cascade([run], tmp_path / "limit", max_macs=limit)
    assert kept["validation"]["macs"] <= limit
    assert (kept["price"], kept["max_macs"]) == (None, limit)
    assert [stage["macs"] for stage in kept["stages"]] == [
        stage["macs"] for stage in one[0]["stages"]
    ]


def test_stopped_while_training_it_says_how_to_go_on_and_leaves_nothing(run, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("moesaic.runs._session.Session.perform", stop)
        with pytest.raises(Interrupted, match=r"moesaic cascade .*run --out .*new --price 0$"):
            moesaic.cascade([run], tmp_path / "new", price=0.0)
    assert list(tmp_path.iterdir()) == []


def test_where_no_second_answer_pays_it_says_so(run, tmp_path):
    with pytest.raises(InputError, match="give a lower --price") as told:
        moesaic.cascade([run], tmp_path / "new", price=1e9)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_is_compared_with(run, tmp_path):
    words = ["cascade", str(run), "--out", str(tmp_path / "one"), "--quiet"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    assert f"% of the compute of {run}" in told.stdout.splitlines()[0]
    for name in ("cheap experts", "dear experts", f"the model of {run}"):
        assert name in told.stdout
    assert json.loads((tmp_path / "one" / "result.json").read_text())["against"]["stage"] is None
