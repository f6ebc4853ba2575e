"""Limits of a campaign, and what becomes of them when a stopped one goes on with others."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import yaml
from typer.testing import CliRunner

import moesaic
from moesaic.cli import app
from moesaic.config import make_campaign_config
from moesaic.runs import Watcher, campaign, open_run, resume


def run(settings, out, watcher=None):
    return campaign(make_campaign_config(settings), out=out, watcher=watcher)


class Stops(Watcher):
    """Interrupts once a number of mixtures were trained."""

    def __init__(self, after: int) -> None:
        self._after = after

    def trial(self, title, done, trials, left, note):
        if title.startswith("mixtures") and done == self._after:
            raise KeyboardInterrupt


def change(folder, **settings: Any) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **settings}))


def test_a_family_alone_that_runs_out_of_memory_is_tried_again(small, tmp_path):
    settings = small | {"pool": "Tiny0,Tiny1,Hungry", "candidates": 2}
    settings["recipe"] = {"batch_size": 32}
    found = run(settings, tmp_path / "r").result
    with open_run(tmp_path / "r").bank() as bank:
        (again,) = bank.observations(stage="singles-retry-1")
        assert again.trial.architecture.family == "Hungry"
        assert again.trial.recipe["batch_size"] == 16
    assert sorted(one["family"] for one in found["singles"]) == ["Hungry", "Tiny0", "Tiny1"]
    ranked = CliRunner().invoke(app, ["rank", str(tmp_path / "r"), "--json"])
    assert "Hungry" in {one["name"] for one in json.loads(ranked.stdout)["members"]}


def test_no_family_is_launched_alone_above_the_memory_limit(small, tmp_path):
    with pytest.raises(moesaic.errors.RunFailed, match="no mixture"):
        run(small | {"max_memory": 1000}, tmp_path / "r")
    status = open_run(tmp_path / "r").status()
    assert {one["cause"] for one in status["failures"]} == {"refused"}
    assert sum(one["stage"] == "singles" for one in status["failures"]) == 5


@pytest.mark.parametrize(("first", "then"), [(40_000, 10_000_000), (10_000_000, 40_000)])
def test_another_memory_limit_holds_for_what_was_not_judged_yet(small, tmp_path, first, then):
    settings = small | {"recipe": {"batch_size": 64}, "baselines": False, "candidates": 4}
    with pytest.raises(moesaic.errors.Interrupted):
        run(settings | {"max_memory": first}, tmp_path / "r", Stops(1))
    change(tmp_path / "r", max_memory=then)
    assert resume(tmp_path / "r").result["trials"]["done"] == 4
    with open_run(tmp_path / "r").bank() as bank:
        sizes = {trial.recipe["batch_size"] for trial in bank.trials(stage="mixtures")}
    assert (sizes == {64}) == (first > then)  # all were judged before the first was trained


def test_a_campaign_that_its_budget_closed_goes_on_without_one(small, tmp_path):
    """Other mixtures lead then: they are measured on test too."""
    closed = run(small | {"candidates": 10, "budget": 1e-3}, tmp_path / "r").result
    assert closed["trials"]["not_begun"] > 0
    (tmp_path / "r" / "result.json").unlink()
    change(tmp_path / "r", budget=None)
    found = resume(tmp_path / "r").result
    assert found["trials"]["done"] == 10
    whole = run(small | {"candidates": 10}, tmp_path / "whole").result
    told = [
        [one["table"][name]["test_accuracy"] for name in one["table"]] for one in (found, whole)
    ]
    assert told[0] == told[1]


def test_a_model_that_torch_cannot_export_is_handed_over_without_its_program(small, tmp_path):
    settings = small | {"pool": "Untraceable,Tiny0", "candidates": 1, "epochs": 2}
    found = moesaic.campaign(out=tmp_path / "r", **settings)
    assert found.result["model"]["not_exported"]
    model = moesaic.load_model(found.folder)
    assert model(torch.zeros((2, *model.input_shape), dtype=torch.uint8)).shape[0] == 2
    assert not (found.folder / "model" / "model.pt2").exists()
    told = CliRunner().invoke(app, ["export", str(found.folder), "--out", str(tmp_path / "m.pt2")])
    assert told.exit_code == 2
    assert "torch cannot export this model" in told.stderr
    report = (found.folder / "report.html").read_text("utf-8")
    assert "torch cannot export this model" in report
    assert "torch.export.load" not in report
