"""Runs on the edge: tiny data, trials that fail one by one, another run in the same place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moesaic.config import make_config
from moesaic.data import Dataset, Split
from moesaic.errors import InputError, TooLarge
from moesaic.execution import InProcessExecutor, Job
from moesaic.runs import _session as session_module
from moesaic.runs import open_run, search
from moesaic.runs._context import make_space
from moesaic.runs._work import run_trial

QUICK = {"trials": 2, "rungs": (1,), "epochs": 1, "baselines": False, "executor": "inprocess"}


def blobs(path: Path, samples: int, **more: np.ndarray) -> str:
    """Write two far blobs of vectors, a class each."""
    labels = np.arange(samples) % 2
    rng = np.random.default_rng(0)
    np.savez(path, X=rng.normal(10 * labels[:, None], 1, (samples, 3)), y=labels, **more)
    return str(path)


@pytest.mark.parametrize("samples", [10, 20])
def test_a_handful_of_samples_is_searched_to_the_end(tmp_path: Path, samples: int) -> None:
    data = blobs(tmp_path / "few.npz", samples)
    settings = {**QUICK, "data": data, "embedder": "pixels", "clusters": 2}
    found = search(make_config(settings), tmp_path / "run").result
    assert found["status"] == "done"
    assert found["value"]["heterogeneity"] is None  # 2 or 3 validation samples cannot be halved
    assert found["theory"]["optimism"] is None


def test_a_cluster_that_nothing_validates_is_no_expert(tmp_path: Path) -> None:
    """Refused when the structure is known, not after all trainings."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    arrays = {
        "train_images": rng.normal(size=(40, 3)),
        "train_labels": labels,
        "train_domains": labels,
        "validation_images": rng.normal(size=(8, 3)),
        "validation_labels": labels[:8],
        "validation_domains": np.zeros(8, int),
        "test_images": rng.normal(size=(8, 3)),
        "test_labels": labels[:8],
        "test_domains": np.zeros(8, int),
        "domain_names": np.array(["one", "two"]),
    }
    np.savez(tmp_path / "d.npz", **arrays)
    settings = {**QUICK, "data": str(tmp_path / "d.npz"), "embedder": "given"}
    with pytest.raises(InputError, match="only 1 of 2 clusters have validation samples"):
        search(make_config(settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()  # so that the same place can be used again


def test_a_later_portion_may_fail(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_later(path: str, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["stage"] == "rung-0" and payload["index"] >= 2:
            raise FloatingPointError("one of those days")
        return run_trial(path, payload)

    monkeypatch.setattr(session_module, "run_trial", fail_later)
    given = {**settings, "trials": 3, "rungs": (1,), "epochs": 1, "baselines": False}
    found = search(make_config(given), tmp_path / "run").result
    assert found["status"] == "done"
    assert found["trials"]["failed"] == 1


def test_what_no_machine_has_room_for_is_a_failed_trial(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, asked = InProcessExecutor.submit, []

    def refuse_one(self: InProcessExecutor, job: Job) -> None:
        if job.function is run_trial:
            asked.append(job.key)
            if len(asked) == 1:
                raise TooLarge(f"job '{job.key}' asks for the moon")
        submit(self, job)

    monkeypatch.setattr(InProcessExecutor, "submit", refuse_one)
    given = {**settings, "rungs": (1,), "epochs": 1, "baselines": False}
    found = search(make_config(given), tmp_path / "run").result
    assert found["status"] == "done"
    with open_run(tmp_path / "run").bank() as bank:
        (failure,) = bank.failures()
    assert (failure.trial.key, failure.cause) == (asked[0], "refused")
    assert "the moon" in failure.message


def test_another_run_in_the_place_of_a_removed_one_is_another_run(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    given = {**settings, "rungs": (1,), "trials": 2, "epochs": 1, "baselines": False}
    for clusters in (2, 3):
        found = search(make_config({**given, "clusters": clusters}), tmp_path / "run").result
        assert len(found["structure"]["shares"]) == clusters
        shutil.rmtree(tmp_path / "run")


def test_a_space_without_cells_is_not_told_how_many_a_stage_has() -> None:
    split = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4) % 2)
    dataset = Dataset("none", split, split, split, ("a", "b"))
    found = make_space(make_config({"data": "none", "space": "families"}), dataset)
    assert found.name == "families"
    with pytest.raises(InputError, match="takes the options pool"):
        make_space(
            make_config({"data": "none", "space": "families", "cells_per_stage": 2}), dataset
        )
