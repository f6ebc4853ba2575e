"""A campaign from end to end on a tiny pool: what it trains, counts, hands over and refuses."""

import itertools
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

import moesaic
from moesaic.config import make_campaign_config
from moesaic.errors import InputError, RunFailed
from moesaic.runs import campaign, open_run, plan_campaign, resume
from moesaic.runs._folder import held, open_folder

PLUGIN = Path(__file__).parent / "campaign_plugin.py"


def run(settings, out):
    return campaign(make_campaign_config(settings), out=out)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request):
    spec = request.getfixturevalue("spec")
    out = tmp_path_factory.mktemp("campaign") / "run"
    settings = {
        "data": spec,
        "plugins": (str(PLUGIN),),
        "pool": "Tiny0,Tiny1,Tiny2,Tiny3,Tiny4",
        "experts": 2,
        "candidates": 6,
        "epochs": 1,
        "clusters": 2,
        "executor": "inprocess",
        "seed": 3,
    }
    return run(settings, out)


def test_every_planned_mixture_is_accounted_for(finished):
    found = finished.result
    assert found["trials"] == {
        "planned": 6,
        "done": 6,
        "failed": {},
        "lost": 0,
        "not_begun": 0,
        "retried": 0,
    }
    names = [tuple(candidate["families"]) for candidate in found["candidates"]]
    assert len(set(names)) == 6
    assert set(names) <= set(itertools.combinations(sorted(found["pool"]), 2))
    assert all(candidate["status"] == "done" for candidate in found["candidates"])


def test_a_mixture_that_was_running_is_not_lost(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    key = finished.result["candidates"][-1]["trial"]
    database = sqlite3.connect(copy / "moesaic.db")
    with database:
        database.execute("UPDATE trials SET status = 'running' WHERE key = ?", (key,))
    database.close()
    account = {"planned": 6, "done": 5, "failed": {}, "lost": 0, "retried": 0}
    assert open_run(copy).status()["mixtures"] == account | {"not_begun": 1}
    with held(open_folder(copy)):
        at_work = open_run(copy).status()["mixtures"]
    assert at_work == account | {"not_begun": 0, "running": 1}


def test_the_coverage_is_that_of_the_candidates(finished):
    found = finished.result
    counts = dict.fromkeys(found["pool"], 0)
    for candidate in found["candidates"]:
        for name in candidate["families"]:
            counts[name] += 1
    told = found["coverage"]
    assert (told["space"], told["candidates"], told["share"]) == (10, 6, 0.6)
    assert told["family_count_min"] == min(counts.values())
    assert told["family_count_max"] == max(counts.values())
    assert told["pair_count_max"] == 1


def test_the_best_are_the_best_by_validation(finished):
    found = finished.result
    scores = sorted((c["accuracy"] for c in found["candidates"]), reverse=True)
    assert [entry["accuracy"] for entry in found["best"]] == scores
    assert found["table"]["mixture"]["families"] == found["best"][0]["families"]
    assert found["table"]["mixture"]["validation_accuracy"] == pytest.approx(scores[0])


def test_the_rivals_are_trained_beside_the_best(finished):
    table = finished.result["table"]
    assert {"mixture", "ensemble", "single", "single_long"} <= set(table)
    assert table["ensemble"]["families"] == table["mixture"]["families"]
    # two families all run for one epoch, against one family for two epochs
    assert table["mixture"]["training_passes"] == table["single_long"]["training_passes"] == 2
    assert table["single"]["training_passes"] == 1
    assert table["mixture"]["mixture_ahead"]["mean"] == 0


def test_every_mixture_says_how_its_gate_routes(finished):
    router = finished.result["best"][0]["router"]
    assert sum(router["utilisation"]) == pytest.approx(1)
    assert 1 <= router["effective"] <= 2 + 1e-6
    assert len(router["table"]) == finished.result["structure"]["clusters"]


def test_the_model_that_is_handed_over_predicts(finished):
    model = moesaic.load_model(finished.folder)
    images = torch.randint(0, 255, (3, 1, 8, 8), dtype=torch.uint8)
    logits = model(images)
    assert logits.shape == (3, 4)
    program = torch.export.load(finished.folder / "model" / "model.pt2").module()
    torch.testing.assert_close(program(images), logits)


def test_a_run_can_be_looked_at(finished):
    opened = open_run(finished.folder)
    status = opened.status()
    assert status["mixtures"]["done"] == 6
    assert status["coverage"]["candidates"] == 6
    assert [list(c.families) for c in opened.candidates()] == [
        candidate["families"] for candidate in finished.result["candidates"]
    ]
    assert resume(finished.folder).result == finished.result


def test_the_plan_is_that_of_the_planner(small, tmp_path):
    planned = plan_campaign(make_campaign_config(small))
    assert planned == [
        tuple(c["families"]) for c in run(small, tmp_path / "r").result["candidates"]
    ]


@pytest.mark.parametrize(
    "machine",
    [
        {"executor": "inprocess", "trial_timeout": 3.0},
        pytest.param(
            {"executor": "process", "workers": 2, "trial_timeout": 20.0}, marks=pytest.mark.slow
        ),
    ],
    ids=["inprocess", "process"],
)
def test_a_family_that_raises_or_hangs_fails_its_own_mixtures_only(small, tmp_path, machine):
    settings = small | {"pool": "Tiny0,Tiny1,Tiny2,Raises,Hangs", "candidates": 10} | machine
    found = run(settings, tmp_path / "r").result
    assert found["trials"]["lost"] == 0
    for candidate in found["candidates"]:
        if "Hangs" in candidate["families"] and "Raises" not in candidate["families"]:
            assert (candidate["status"], candidate["cause"]) == ("failed", "time_limit")
        elif "Raises" in candidate["families"]:
            assert candidate["status"] == "failed"
            assert candidate["cause"] in ("error", "time_limit")
        else:
            assert candidate["status"] == "done"
    assert found["trials"]["done"] == 3
    assert sum(found["trials"]["failed"].values()) == 7
    probes = {family["name"]: family["probe"] for family in found["families"]}
    assert probes["Raises"] == "error"
    assert probes["Hangs"] == "time_limit"
    failures = open_run(tmp_path / "r").status()["failures"]
    assert any("poisoned" in failure["message"] for failure in failures)


def test_what_runs_out_of_memory_is_tried_again_smaller_and_on_record(small, tmp_path):
    settings = small | {"pool": "Tiny0,Tiny1,Hungry", "candidates": 3, "baselines": False}
    settings["recipe"] = {"batch_size": 32}
    found = run(settings, tmp_path / "r").result
    for candidate in found["candidates"]:
        assert candidate["status"] == "done"
        assert candidate["retries"] == ("Hungry" in candidate["families"])
    with open_run(tmp_path / "r").bank() as bank:
        (retry,) = [t for t in bank.trials(stage="mixtures-retry-1") if t.index == 1] or [None]
        causes = [failure.cause for failure in bank.failures()]
        assert causes == ["out_of_memory"] * 2
        for trial in bank.trials(stage="mixtures-retry-1"):
            assert trial.recipe["batch_size"] == 16
            assert bank.status(trial.payload["retry_of"]) == "failed"
    assert retry is None or retry.recipe["batch_size"] == 16


def test_without_retries_it_stays_failed(small, tmp_path):
    settings = small | {"pool": "Tiny0,Tiny1,Hungry", "candidates": 3, "retry_policy": "none"}
    settings |= {"recipe": {"batch_size": 32}, "baselines": False}
    found = run(settings, tmp_path / "r").result
    assert found["trials"]["failed"] == {"out_of_memory": 2}
    assert found["trials"]["done"] == 1


def test_a_memory_limit_reshapes_what_fits_smaller_and_refuses_the_rest(small, tmp_path):
    base = small | {"recipe": {"batch_size": 64}, "candidates": 2, "baselines": False}
    with pytest.raises(RunFailed, match="no mixture"):
        run(base | {"max_memory": 1000}, tmp_path / "refused")
    status = open_run(tmp_path / "refused").status()
    assert status["mixtures"]["failed"] == {"refused": 2}
    assert "over the limit" in status["failures"][0]["message"]
    found = run(base | {"max_memory": 40_000}, tmp_path / "reshaped")
    with open_run(found.folder).bank() as bank:
        for trial in bank.trials(stage="mixtures"):
            assert trial.payload["reshaped_from"] == 64
            assert trial.recipe["batch_size"] < 64


def test_a_quick_rung_promotes_its_best(small, tmp_path):
    settings = small | {"quick_epochs": 1, "epochs": 2, "promote": 0.5, "candidates": 6}
    found = run(settings, tmp_path / "r").result
    candidates = found["candidates"]
    full = [c for c in candidates if c["full"]]
    assert len(full) == 3
    least = min(c["quick"] for c in full)
    assert all(c["quick"] <= least for c in candidates if not c["full"])
    assert found["rungs"]["promoted"] == 3
    assert found["best"][0]["families"] in [c["families"] for c in full]


def test_the_taught_preset_routes_by_the_structure(small, tmp_path):
    settings = small | {"preset": "taught", "epochs": 2, "candidates": 2}
    found = run(settings, tmp_path / "r").result
    assert found["trials"]["done"] == 2
    with open_run(tmp_path / "r").bank() as bank:
        for trial in bank.trials(stage="mixtures"):
            assert sorted(set(trial.payload["routing"])) == [0, 1]
            assert trial.payload["top_k"] == 1


def test_a_spent_budget_leaves_the_rest_planned(small, tmp_path):
    found = run(small | {"candidates": 10, "budget": 1e-3}, tmp_path / "r")
    assert found.result["trials"]["not_begun"] > 0
    trials = found.result["trials"]
    assert trials["planned"] == trials["done"] + trials["not_begun"]


def test_interrupted_and_resumed_equals_uninterrupted(small, tmp_path, monkeypatch):
    from moesaic.runs import Watcher

    class Stops(Watcher):
        def trial(self, title, done, trials, left, note):
            if title.startswith("mixtures") and done == 2:
                raise KeyboardInterrupt

    settings = small | {"planner": "adaptive", "candidates": 9}
    whole = run(settings, tmp_path / "whole").result
    with pytest.raises(moesaic.errors.Interrupted):
        campaign(make_campaign_config(settings), out=tmp_path / "parts", watcher=Stops())
    again = resume(tmp_path / "parts").result
    strip = ("index", "families", "status", "accuracy", "trial")
    assert [[c[name] for name in strip] for c in again["candidates"]] == [
        [c[name] for name in strip] for c in whole["candidates"]
    ]
    assert again["table"]["mixture"]["test_accuracy"] == whole["table"]["mixture"]["test_accuracy"]


def test_bad_settings_are_refused_before_anything_is_written(small, tmp_path):
    wrong = [
        ({"pool": "Tiny0,Tiny9"}, "Tiny4"),
        ({"pool": "Tiny0"}, "1 famil"),
        ({"planner": "stratifeid"}, "stratified"),
        ({"data": "toy"}, "vectors"),
        ({"plugins": (str(tmp_path / "none.py"),)}, "none.py"),
        ({"device": "cuda:99"}, "cuda:99"),
    ]
    for change, told in wrong:
        with pytest.raises(InputError, match=told):
            run(small | change, tmp_path / "r")
        assert not (tmp_path / "r").exists()


def test_a_run_cannot_bring_code_along_nor_change_it(small, tmp_path):
    plugin = tmp_path / "mine.py"
    shutil.copy(PLUGIN, plugin)
    plugin.write_text(
        plugin.read_text()
        .replace("Tiny{", "Mine{")
        .replace('"R', '"MR')
        .replace('"Ha', '"MHa')
        .replace('"Hu', '"MHu')
        .replace('"Un', '"MUn')
    )
    settings = small | {"plugins": (str(plugin),), "pool": "Mine0,Mine1,Mine2", "candidates": 1}
    finished = run(settings, tmp_path / "r")
    (finished.folder / "result.json").unlink()
    plugin.write_text(plugin.read_text() + "\n# changed\n")
    with pytest.raises(InputError, match="changed"):
        resume(finished.folder)
    config = finished.folder / "config.yaml"
    inside = finished.folder / "mine.py"
    shutil.copy(plugin, inside)
    config.write_text(config.read_text().replace(str(plugin), str(inside)))
    with pytest.raises(InputError, match="lies in the run"):
        resume(finished.folder)


def test_the_losses_of_the_families_decide_the_routing():
    from moesaic.runs.campaign._design import route

    losses = {"a": np.array([0.1, 0.9, 0.8]), "b": np.array([0.9, 0.2, 0.9])}
    weight = np.array([0.4, 0.4, 0.2])
    assert route(["a", "b"], losses, weight) == [0, 1, 0]
    assert sorted(set(route(["a", "unknown"], losses, weight))) == [0, 1]
