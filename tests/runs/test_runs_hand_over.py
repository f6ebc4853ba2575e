"""What is handed over is what was trained, never a network that nobody trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from moesaic.bank import Bank
from moesaic.config import make_config
from moesaic.data import Dataset, open_dataset
from moesaic.errors import DamagedRun, InputError
from moesaic.mixture import Mixture
from moesaic.runs import open_run, search, trained_network
from moesaic.runs._context import load_context
from moesaic.training import predict_logits


@pytest.fixture(scope="module")
def run(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hand-over") / "run"
    settings = {
        "data": spec,
        "trials": 4,
        "rungs": (1,),
        "widths": (4, 6),
        "epochs": 2,
        "executor": "inprocess",
    }
    search(make_config(settings), folder)
    return folder


@pytest.fixture(scope="module")
def dataset(run: Path) -> Dataset:
    return open_dataset(run / "data")


@pytest.mark.parametrize(("kind", "row"), [("mixture", "mixture"), ("expert", "single")])
def test_it_answers_as_it_did_when_it_was_measured(
    run: Path, dataset: Dataset, kind: str, row: str
) -> None:
    with open_run(run).bank() as bank:
        trial = bank.observations(stage=f"final-0-{row}")[0].trial
        network = trained_network(bank, trial, dataset)
        stored = bank.predictions(trial.key)
    assert isinstance(network, Mixture) == (kind == "mixture")
    normaliser = load_context(str(run)).normaliser
    logits = predict_logits(network, dataset.validation.inputs, normaliser)
    assert np.allclose(torch.log_softmax(logits, dim=1).numpy(), stored, rtol=1e-3, atol=2e-3)


def test_without_its_weights_a_network_is_refused(
    run: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_kept(self: Bank, key: str) -> None:
        return None

    with open_run(run).bank() as bank:
        trial = bank.observations(stage="final-0-single")[0].trial
        monkeypatch.setattr(Bank, "checkpoint", none_kept)
        with pytest.raises(InputError, match=f"weights of trial {trial.key} were not kept"):
            trained_network(bank, trial, dataset)


def test_damaged_weights_are_one_line_that_names_the_file(run: Path, dataset: Dataset) -> None:
    with open_run(run).bank() as bank:
        trial = bank.observations(stage="final-0-single")[0].trial
        checkpoint = bank.checkpoint(trial.key)
        assert checkpoint is not None
        whole = checkpoint.read_bytes()
        try:
            for left in (whole[: len(whole) // 2], b"", None):
                checkpoint.unlink() if left is None else checkpoint.write_bytes(left)
                with pytest.raises(DamagedRun, match=f"{checkpoint.name} is missing or damaged"):
                    trained_network(bank, trial, dataset)
        finally:
            checkpoint.write_bytes(whole)
