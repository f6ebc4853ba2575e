"""Ranking a run's bank, training its short list, and the campaign that begins with it."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import moesaic
from moesaic.config import make_campaign_config, make_config
from moesaic.data import open_dataset
from moesaic.errors import InputError
from moesaic.runs import Watcher, campaign, open_run, plan_campaign, rank, resume, search
from moesaic.runs.campaign._short_list import _place, train_short_list

PLUGIN = Path(__file__).parent / "campaign_plugin.py"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request):
    spec = request.getfixturevalue("spec")
    settings = {
        "data": spec,
        "plugins": (str(PLUGIN),),
        "pool": "Tiny0,Tiny1,Tiny2,Tiny3,Tiny4",
        "experts": 2,
        "candidates": 6,
        "planner": "ranked",
        "epochs": 1,
        "clusters": 2,
        "executor": "inprocess",
        "seed": 3,
    }
    out = tmp_path_factory.mktemp("ranking") / "run"
    return campaign(make_campaign_config(settings), out=out)


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    return tmp_path / "copy"


def losses(folder):
    """Return the loss of every family on every validation sample, read from the files."""
    labels = open_dataset(folder / "data").validation.labels.numpy()
    with open_run(folder).bank() as bank:
        return {
            o.trial.architecture.family: -bank.predictions(o.trial.key)[
                np.arange(len(labels)), labels
            ].astype(np.float64)
            for o in bank.observations(stage="singles")
        }


def by_oracle(folder, experts=2):
    alone = losses(folder)
    scores = {
        row: np.minimum.reduce([alone[name] for name in row]).mean()
        for row in combinations(sorted(alone), experts)
    }
    return sorted(scores, key=scores.__getitem__), scores


def test_a_run_is_ranked_by_its_stored_predictions(finished):
    order, scores = by_oracle(finished.folder)
    found = rank(finished.folder, experts=2, top=4)
    assert (found["scored"], found["space"], found["exhaustive"]) == (10, 10, True)
    assert found["seconds"] > 0
    assert [tuple(row["members"]) for row in found["best"]] == order[:4]
    assert [row["raw"] for row in found["best"]] == pytest.approx(
        [scores[row] for row in order[:4]], rel=1e-5
    )
    assert all(row["low"] <= row["score"] <= row["high"] for row in found["best"])


@pytest.mark.parametrize("score", ["cluster", "ensemble", "mean", "gate"])
def test_every_score_ranks_a_run(finished, score):
    found = rank(finished.folder, experts=3, score=score)
    assert found["scored"] == 10
    assert len({tuple(row["members"]) for row in found["best"]}) == 10
    assert found["higher_is_better"] == (score == "mean")


def test_names_and_costs_limit_what_is_ranked(finished):
    whole = rank(finished.folder, experts=2)
    sizes = {member["name"]: member["parameters"] for member in whole["members"]}
    limit = sorted(sizes.values())[-1] + sorted(sizes.values())[0]
    found = rank(finished.folder, must_have=["Tiny1"], must_not=["Tiny4"], max_parameters=limit)
    for row in found["best"]:
        assert "Tiny1" in row["members"]
        assert "Tiny4" not in row["members"]
        assert row["parameters"] <= limit
        assert row["parameters"] == sum(sizes[name] for name in row["members"])
    # in the preset moe4 both experts run on every sample
    macs = {member["name"]: member["macs"] for member in whole["members"]}
    assert all(row["macs"] == sum(macs[n] for n in row["members"]) for row in whole["best"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"must_have": ["Tiny9"]}, "did you mean"),
        ({"must_not": ["Tiny9"]}, "did you mean"),
        ({"experts": 6}, "5 experts with predictions"),
        ({"score": "orcale"}, "oracle"),
        ({"max_parameters": 1.0}, "max_parameters"),
        ({"max_macs": float("nan")}, "max_macs is nan, expected a number above 0"),
        ({"experts": 0}, "experts is 0, expected 1 or more"),
        ({"experts": 3, "train": 1}, "number of experts"),
    ],
)
def test_misuse_is_refused(finished, words, told):
    with pytest.raises(InputError, match=told):
        rank(finished.folder, **words)


def test_the_campaign_began_with_the_best_of_the_ranking(finished):
    order, _ = by_oracle(finished.folder)
    planned = [tuple(candidate["families"]) for candidate in finished.result["candidates"]]
    assert planned == order[:6]


def test_the_short_list_is_trained_once_and_kept(copied):
    order, _ = by_oracle(copied)
    before = (copied / "result.json").read_text()
    found = rank(copied, train=2)["trained"]
    assert [tuple(row["members"]) for row in found] == order[:2]
    assert all(0 <= row["accuracy"] <= 1 for row in found)

    class Counts(Watcher):
        trained = 0

        def trial(self, title, done, trials, left, note):
            self.trained += 1

    counts = Counts()
    again = rank(copied, train=3, watcher=counts)["trained"]
    assert counts.trained == 1
    assert [row["trial"] for row in again[:2]] == [row["trial"] for row in found]
    assert (copied / "result.json").read_text() == before
    assert resume(copied).result["candidates"] == open_run(copied).result()["candidates"]
    other = train_short_list(copied, [order[0]], again="", stage="other")
    assert other[0].observation.trial.key != found[0]["trial"]


def test_a_short_list_is_of_the_campaigns_own_mixtures(copied):
    for wrong in (["Tiny0"], ["Tiny0", "Tiny0"], ["Tiny0", "Raises"]):
        with pytest.raises(InputError, match="2 different"):
            train_short_list(copied, [wrong], again="")


def test_places_are_the_alphabetical_numbers():
    pool = [f"f{number}" for number in range(7)]
    for experts in (2, 4):
        rows = list(combinations(pool, experts))
        assert [_place(row, pool) for row in rows] == list(range(len(rows)))


def test_unmeasured_families_come_last(small, tmp_path):
    settings = small | {"pool": "Tiny0,Tiny1,Tiny2,Raises", "planner": "ranked", "candidates": 6}
    found = campaign(make_campaign_config(settings), out=tmp_path / "r").result
    names = [candidate["families"] for candidate in found["candidates"]]
    assert ["Raises" in row for row in names] == [False] * 3 + [True] * 3


def test_interrupted_and_resumed_it_plans_the_same(small, tmp_path):
    class Stops(Watcher):
        def trial(self, title, done, trials, left, note):
            if title.startswith("mixtures") and done == 2:
                raise KeyboardInterrupt

    settings = small | {"planner": "ranked", "ranking": "ensemble", "candidates": 5}
    whole = campaign(make_campaign_config(settings), out=tmp_path / "whole").result
    with pytest.raises(moesaic.errors.Interrupted):
        campaign(make_campaign_config(settings), out=tmp_path / "parts", watcher=Stops())
    again = resume(tmp_path / "parts").result
    strip = ("families", "status", "accuracy", "trial")
    assert [[c[name] for name in strip] for c in again["candidates"]] == [
        [c[name] for name in strip] for c in whole["candidates"]
    ]


def test_a_ranked_plan_needs_trained_families(small, tmp_path):
    config = make_campaign_config(small | {"planner": "ranked"})
    with pytest.raises(InputError, match="--plan-only"):
        plan_campaign(config)
    bare = make_campaign_config(small | {"planner": "ranked", "baselines": False})
    with pytest.raises(InputError, match="--no-baselines"):
        campaign(bare, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_search_is_ranked_over_cells_with_a_campaign_beside_it(finished, spec, tmp_path):
    settings = {"data": spec, "experts": 2, "trials": 4, "rungs": (1, 2), "widths": (4, 6)}
    settings |= {"epochs": 1, "executor": "inprocess", "seed": 3, "baselines": False}
    run = search(make_config(settings), out=tmp_path / "search").folder
    alone = rank(run, experts=2)
    names = [member["name"] for member in alone["members"]]
    assert len(set(names)) == len(names) > 3
    with pytest.raises(InputError, match="--train"):
        rank(run, train=1)
    both = rank(run, experts=3, also=[finished.folder], top=1000)
    assert len(both["members"]) == len(names) + 5
    mixed = [row for row in both["best"] if {"Tiny0"} < set(row["members"])]
    assert mixed
    one = rank(run, experts=2, must_have=[alone["members"][0]["trial"]])["best"]
    assert all(names[0] in row["members"] for row in one)


def test_runs_on_other_data_are_not_joined(finished, small, tmp_path):
    other = campaign(
        make_campaign_config(small | {"seed": 4, "candidates": 1}), out=tmp_path / "other"
    )
    with pytest.raises(InputError, match="other data"):
        rank(finished.folder, also=[other.folder])
