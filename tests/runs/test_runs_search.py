"""A whole search on a tiny problem: what it promises to return and to leave behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moesaic.config import make_config
from moesaic.errors import InputError
from moesaic.mixture import load_model
from moesaic.runs import open_run, search


@pytest.fixture(scope="module")
def run(spec: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("search") / "run"
    settings = {
        "data": spec,
        "trials": 4,
        "rungs": (1, 2),
        "widths": (4, 6),
        "epochs": 6,
        "repeats": 2,
        "executor": "inprocess",
    }
    return folder, search(make_config(settings), folder).result


def test_result_has_the_keys_that_scripts_read(run: tuple[Path, dict[str, Any]]) -> None:
    folder, result = run
    assert result == json.loads((folder / "result.json").read_text())
    assert result["status"] == "done"
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
    table = page.split("## `result.json` of a search")[1]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == result.keys()
    assert 0 <= result["test_accuracy"] <= 1
    assert {"clusters", "routability", "purity_domains"} <= result["structure"].keys()
    assert 0.5 <= result["routing"]["agreement_domains"] <= 1
    assert set(result["baselines"]) == {
        "single", "single_long", "homogeneous", "random", "ensemble", "oracle",
    }  # fmt: skip
    for row in result["baselines"].values():
        assert 0 <= row["test_accuracy"] <= 1
        assert row["macs_active"] > 0
    for name in ("heterogeneity", "specialisation", "gate"):
        value = result["value"][name]
        assert value["low"] <= value["mean"] <= value["high"]
    assert result["trials"]["failed"] == result["trials"]["lost"] == 0


def test_all_variants_but_the_ensemble_cost_the_same_at_inference(
    run: tuple[Path, dict[str, Any]],
) -> None:
    _, result = run
    target = result["target_macs"]
    gate = result["routing"]["gate_macs"]
    for name, row in result["baselines"].items():
        if name == "ensemble":
            assert row["macs_active"] == pytest.approx(2 * target, rel=0.05)
        elif name == "oracle":  # runs no gate, and the searched experts may differ in size
            assert row["macs_active"] <= 1.05 * max(result["routing"]["expert_macs"]) + gate
        else:
            assert row["macs_active"] == pytest.approx(target, rel=0.05)


def test_equal_epochs_and_training_cost_are_stated(run: tuple[Path, dict[str, Any]]) -> None:
    _, result = run
    epochs = result["epochs"]
    assert result["baselines"]["single"]["training_passes"] == epochs
    assert result["baselines"]["single_long"]["training_passes"] == 2 * epochs
    assert result["mixture"]["training_passes"] == epochs + 1
    assert result["baselines"]["ensemble"]["training_passes"] == 2 * epochs


def test_the_model_answers_as_reported(run: tuple[Path, dict[str, Any]], spec: str) -> None:
    folder, result = run
    model = load_model(folder)
    tests = [np.load(path) for path in spec.split("+")]
    right = total = 0
    for offset, stored in enumerate(tests):
        images = torch.from_numpy(stored["test_images"]).unsqueeze(1)
        labels = torch.from_numpy(stored["test_labels"]) + 2 * offset
        with torch.no_grad():
            right += int((model(images).argmax(1) == labels).sum())
        total += len(labels)
    assert right / total == pytest.approx(result["model"]["test_accuracy"])


def test_the_exported_program_runs_with_torch_alone(run: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = run
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = load_model(folder)(images)
    np.save(folder / "images.npy", images.numpy())
    script = f"""
import sys, numpy, torch
sys.modules["moesaic"] = None
program = torch.export.load({str(folder / "model" / "model.pt2")!r}).module()
images = torch.from_numpy(numpy.load({str(folder / "images.npy")!r}))
numpy.save({str(folder / "logits.npy")!r}, program(images).detach().numpy())
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert np.allclose(np.load(folder / "logits.npy"), expected.numpy(), atol=1e-5)


def test_the_search_never_opens_the_test_split_before_the_end(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import moesaic.runs._work as work

    stages: list[str] = []

    def refuse(path: str) -> None:
        raise AssertionError("the test split was opened")

    monkeypatch.setattr(work, "load_splits", refuse)
    from moesaic.errors import RunFailed
    from moesaic.runs import Watcher

    class Notes(Watcher):
        def stage(self, title: str, trials: int) -> None:
            stages.append(title)

    with pytest.raises(RunFailed, match="final measurement"):
        search(make_config(settings), tmp_path / "run", Notes())
    assert stages[-1] == "final measurement"


def test_clusters_may_be_looked_for_among_what_samples_are_taken_for(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    given = {"embedder": "classes", "clusters": 4, "trials": 2, "rungs": (1,), "baselines": False}
    run = search(make_config({**settings, **given}), tmp_path / "run")
    assert run.result["structure"]["purity_domains"] == 1.0
    assert np.load(tmp_path / "run" / "structure" / "centres.npy").shape == (4, 64 + 4)


def test_status_accounts_for_every_trial(run: tuple[Path, dict[str, Any]]) -> None:
    folder, result = run
    status = open_run(folder).status()
    assert status["status"] == "done"
    assert sum(stage["done"] for stage in status["stages"]) == result["trials"]["done"]
    assert [stage["stage"] for stage in status["stages"]][:2] == ["rung-0", "rung-1"]


def test_an_existing_run_is_not_overwritten(
    run: tuple[Path, dict[str, Any]], settings: dict[str, Any]
) -> None:
    folder, _ = run
    before = (folder / "result.json").read_bytes()
    with pytest.raises(InputError, match="already holds a run"):
        search(make_config(settings), folder)
    assert (folder / "result.json").read_bytes() == before


def test_more_clusters_than_samples_is_one_clear_line(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="lower --clusters"):
        search(make_config({**settings, "clusters": 5000}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("storage", "nosuch://host/db", "driver"),
        ("strategy", "jont", "joint"),
        ("space", "nasbensh201", "nasbench201"),
        ("executor", "proces", "process"),
        ("address", "10.0.0.1:6379", "this machine only"),
        ("device", "abacus", "cannot be used"),
        ("device", "meta", "computes nothing"),
        ("data", "digitz", "digits"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing_behind(
    settings: dict[str, Any], tmp_path: Path, setting: str, value: str, line: str
) -> None:
    with pytest.raises(InputError, match=line) as caught:
        search(make_config({**settings, setting: value}), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
