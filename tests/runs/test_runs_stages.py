"""A cascade out of one search: two mixtures of its sizes, trained once; stopped, it goes on."""

import json
import re
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import moesaic
from moesaic.bank import Bank, Observation, Trial, read_predictions
from moesaic.cli import app
from moesaic.data import open_dataset
from moesaic.errors import InputError, Interrupted, RunFailed
from moesaic.runs._folder import open_folder
from moesaic.runs._specialise import sizes_stage
from moesaic.runs._stages import Aim, _serves, plan_stages
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


def planned(run, price=PRICE, limit=None):
    folder = open_folder(run)
    with Bank.open(folder.path) as bank:
        return plan_stages(folder, bank, folder.config(), Aim(price, limit)), bank.observations()


def test_the_stages_are_two_of_the_sizes_of_every_expert_the_best_of_all_pairs(run):
    trials, bank = planned(run)
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
        price=1e-8 * PRICE,
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
    trials = len(planned(run)[1])
    again = moesaic.cascade([run], tmp_path / "again", price=PRICE)
    assert {**again, "run": None} == {**one[0], "run": None}
    assert len(planned(run)[1]) == trials


def test_it_says_when_the_runs_own_model_is_better_by_validation(run, one):
    found, _ = one
    data = open_dataset(run / "data").validation
    own = moesaic.load_model(run)
    with torch.no_grad():
        right = float((own(data.inputs).argmax(1) == data.labels).double().mean())
    macs = found["against"]["macs"]
    worth = right - 1e-8 * PRICE * macs
    ours = found["validation"]["accuracy"] - 1e-8 * PRICE * found["validation"]["macs"]
    warned = found["note"] is not None and found["note"].startswith("Use the run's own model")
    assert warned == (worth >= ours)
    if warned:
        assert f"right on {100 * right:.1f} %" in found["note"]


def test_a_limit_chooses_the_sizes_and_is_kept(run, one, tmp_path):
    dear = one[0]["stages"][1]["macs"]
    # at some limits one mixture is best, and there is no cascade
    limit = next(
        limit
        for limit in np.linspace(0.95 * dear, 0.3 * dear, 40).tolist()
        if len(planned(run, None, limit)[0]) == 2
    )
    kept = moesaic.cascade(run, tmp_path / "limit", max_macs=limit)
    assert kept["validation"]["macs"] <= limit
    assert (kept["price"], kept["max_macs"]) == (None, limit)
    trials, _ = planned(run, None, limit)
    assert [one["trial"] for one in kept["trained"]] == [trial.key for trial in trials]
    with pytest.raises(InputError, match="the cheapest experts need"):
        moesaic.cascade(run, tmp_path / "low", max_macs=2.0)
    assert not (tmp_path / "low").exists()


def test_stopped_between_the_trainings_it_says_how_to_go_on_and_goes_on(
    run, one, tmp_path, monkeypatch
):
    copy, out = tmp_path / "copy", tmp_path / "new"
    shutil.copytree(run, copy)
    _forget_stages(copy)
    finish, done = Bank.finish, []

    def stop(self, observation, *words):
        finish(self, observation, *words)
        done.append(observation.trial.key)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bank, "finish", stop)
        again = rf"moesaic cascade .*copy --out .*new --price {PRICE}$"
        with pytest.raises(Interrupted, match=again):
            moesaic.cascade(copy, out, price=PRICE)
    assert len(done) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"copy"}
    found = moesaic.cascade(copy, out, price=PRICE)
    assert found["test"] == one[0]["test"]
    assert found["trained"] == one[0]["trained"]


def test_a_stage_that_failed_is_told_with_its_cause_and_tried_again_when_asked(
    run, one, tmp_path, monkeypatch
):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    lost = set(_forget_stages(copy)) & {stage["trial"] for stage in one[0]["trained"]}

    def fail(self, observation, *_):
        self.fail(observation.trial.key, "worker_died", "killed by signal 9", "")

    with monkeypatch.context() as patch:
        patch.setattr(Bank, "finish", fail)
        for _ in range(2):
            with pytest.raises(
                RunFailed, match=r"failed \(worker_died: killed by signal 9\)"
            ) as told:
                moesaic.cascade(copy, tmp_path / "new")
            assert "the same command tries it again" in str(told.value)
            assert not (tmp_path / "new").exists()
    found = moesaic.cascade(copy, tmp_path / "new")
    assert found["test"] == one[0]["test"]
    with Bank.open(copy) as bank:
        failed = [failure.trial.key for failure in bank.failures()]
        assert lost < set(failed)
        assert len(failed) == 2 * len(lost)


def _forget_stages(run):
    """Make what a cascade trained planned again; return its keys."""
    database = sqlite3.connect(run / "moesaic.db")
    with database:
        rows = database.execute("SELECT trial_key, stage FROM places").fetchall()
        kept = {key for key, stage in rows if not stage.startswith("cascade-")}
        lost = [key for key, stage in rows if stage.startswith("cascade-") and key not in kept]
        for key in lost:
            database.execute("DELETE FROM observations WHERE trial_key = ?", (key,))
            database.execute("UPDATE trials SET status = 'planned' WHERE key = ?", (key,))
    database.close()
    assert lost
    return lost


def test_who_serves_an_expert_was_trained_on_one_group_of_its_clusters():
    def sized(*subset):
        return Observation(
            Trial("expert", "sizes", 0, 0, subset=subset), np.zeros(4), np.zeros(4), 1, 1, 1.0
        )

    weight = np.array([0.4, 0.1, 0.2, 0.3])
    bank = [sized(True, True, False, False), sized(False, False, True, True)]
    bank.append(bank[0])
    # the last choice moved the second cluster: its new expert's specialists never saw it
    moved = _serves("run", bank, np.array([0, 1, 1, 1]), weight)
    assert moved.tolist() == [[True, False], [False, True], [True, False]]
    # nobody was trained on what the second expert serves
    with pytest.raises(InputError, match="run tried no sizes of expert 1"):
        _serves("run", bank[:1], np.array([0, 0, 1, 1]), weight)


def test_where_no_second_answer_pays_it_says_so(run, tmp_path):
    with pytest.raises(InputError, match="give another --price") as told:
        moesaic.cascade([run], tmp_path / "new", price=1e9)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_it_names_a_price_or_a_limit_at_which_two_do_go_together(run, tmp_path):
    high = next(PRICE * 2**step for step in range(60) if len(planned(run, PRICE * 2**step)[0]) < 2)
    with pytest.raises(InputError) as told:
        moesaic.cascade([run], tmp_path / "new", price=high)
    word = re.search(r"give --price (\S+), where two do", str(told.value))
    assert word is not None
    assert len(planned(run, float(word[1]))[0]) == 2
    assert high / 64 <= float(word[1]) < high
    # the first limit that anything keeps to: each expert's smallest size alone
    low = next(limit for limit in (1000 * 1.02**step for step in range(500)) if fits(run, limit))
    with pytest.raises(InputError) as told:
        moesaic.cascade([run], tmp_path / "new", max_macs=low)
    word = re.search(r"give --max-macs (\d+), where two do", str(told.value))
    assert word is not None
    assert len(planned(run, None, float(word[1]))[0]) == 2


def fits(run, limit):
    try:
        return bool(planned(run, None, limit))
    except InputError:
        return False


def test_of_vectors_it_does_what_its_stages_do(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(600, 4)).astype(np.float32)
    labels = np.where(points[:, 0] > 0, points[:, 1] > 0, (points[:, 1:] ** 2).sum(axis=1) > 2.4)
    points[:, 0] += 6 * np.sign(points[:, 0])
    np.savez(tmp_path / "points.npz", X=points, y=labels.astype(int))
    searched = moesaic.search(
        data=tmp_path / "points.npz",
        experts=2,
        trials=3,
        rungs=(2,),
        epochs=6,
        executor="inprocess",
        baselines=False,
        price=0.1,
        seed=1,
        out=tmp_path / "run",
    )
    found = moesaic.cascade(searched.folder, tmp_path / "both")
    data = open_dataset(searched.folder / "data", test=True).test
    model = moesaic.load_model(tmp_path / "both")
    with torch.no_grad():
        guess = model(data.inputs).argmax(1)
        asked = model.route(data.inputs)[:, 1] > 0
    assert found["test"]["accuracy"] == pytest.approx(float((guess == data.labels).double().mean()))
    assert found["stages"][1]["reached"] == pytest.approx(float(asked.double().mean()))
    cheap, dear = (stage["macs"] for stage in found["stages"])
    assert 0 < cheap < dear
    assert all(one["experts"] for one in found["trained"])


def test_the_command_says_what_it_is_compared_with(run, tmp_path):
    words = ["cascade", str(run), "--out", str(tmp_path / "one")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0
    note = json.loads((tmp_path / "one" / "result.json").read_text())["note"]
    first, second = told.stdout.split("\n\n")[:2]
    assert f"% of the compute of {run}" in (first if note is None else second)
    assert note in (None, first)
    exported = tmp_path / "copy.pt2"
    copied = CliRunner().invoke(app, ["export", str(tmp_path / "one"), "--out", str(exported)])
    assert copied.exit_code == 0
    assert exported.read_bytes() == (tmp_path / "one" / "model" / "model.pt2").read_bytes()
    for command in ("status", "report", "resume"):
        refused = CliRunner().invoke(app, [command, str(tmp_path / "one")])
        assert refused.exit_code == 2
        assert "is a cascade, not a run: predict, export and load_model take it" in refused.stderr
    for name in ("cheap experts", "dear experts", f"the model of {run}"):
        assert name in told.stdout
    assert json.loads((tmp_path / "one" / "result.json").read_text())["against"]["stage"] is None
