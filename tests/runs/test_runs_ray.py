"""A search over Ray is, trial for trial and bit for bit, the one in worker processes."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from moesaic.config import make_config
from moesaic.runs import open_folder, search
from moesaic.runs._needs import gpus_of_a_trial, trial_needs

VOLATILE = {"run", "seconds", "training_seconds", "peak_memory", "executor"}


def stable(value: Any) -> Any:
    """Drop what depends on the clock, the place and the executor."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list):
        return [stable(v) for v in value]
    return value


def digests(folder: Path) -> dict[str, str]:
    """Digest every array and all weights that a run stored."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for suffix in ("npy", "safetensors")
        for path in sorted(folder.rglob(f"*.{suffix}"))
    }


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: moesaic[ray]")
def test_a_search_over_ray_equals_one_in_processes(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    found = {
        name: search(make_config({**settings, "executor": name}), tmp_path / name).result
        for name in ("process", "ray")
    }
    assert json.dumps(stable(found["ray"])) == json.dumps(stable(found["process"]))
    expected = digests(tmp_path / "process")
    assert sum(name.endswith("-test.npy") for name in expected) > 0
    assert digests(tmp_path / "ray") == expected


def test_the_test_split_is_sent_to_the_final_measurement_only(tmp_path: Path) -> None:
    for name in ("config.yaml", "data/meta.json", "data/train_inputs.npy", "data/test_inputs.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = open_folder(tmp_path)
    always = ("config.yaml", "structure/partition.npz", "data/meta.json", "data/train_inputs.npy")
    assert trial_needs(folder) == always
    assert trial_needs(folder, "k") == (*always, "checkpoints/k.safetensors")
    assert set(trial_needs(folder, "k", test=True)) == {
        *always,
        "data/test_inputs.npy",
        "checkpoints/k.safetensors",
    }


@pytest.mark.parametrize(
    ("values", "gpus"),
    [
        ({"device": "cpu"}, 0.0),
        ({"device": "cpu", "address": "a:1"}, 0.0),
        ({"device": "auto", "address": "a:1"}, 0.0),
        ({"device": "cuda:0", "address": "a:1", "workers": 4}, 1.0),
    ],
)
def test_gpus_that_a_trial_asks_for(values: dict[str, Any], gpus: float) -> None:
    assert gpus_of_a_trial(make_config(values)) == gpus


def test_workers_of_one_machine_share_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpus_of_a_trial(make_config({"device": "auto", "workers": 4})) == 0.25
