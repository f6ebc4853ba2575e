"""Trials of both presets as a worker runs them: how they train, what they measure and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from moesaic.bank import Trial
from moesaic.config import Moe4, Recipe, Taught, make_config, preset_recipe
from moesaic.data import load_dataset, save_dataset
from moesaic.mixture import Mixture, Moe4Gate
from moesaic.runs import _work
from moesaic.runs._context import load_context, save_partition
from moesaic.runs._folder import create_folder
from moesaic.runs._plan import trial_to_dict
from moesaic.runs._routing import route_split
from moesaic.runs._work import run_test, run_trial
from moesaic.runs._work_mixture import build_trial_network
from moesaic.spaces import get_space
from moesaic.structure import Partition
from moesaic.training import count_macs

SMALL = Moe4(gate_widths=(8, 8, 8))


@pytest.fixture(scope="module")
def run(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with data and a partition (the domains), as the planner leaves it."""
    path = tmp_path_factory.mktemp("presets") / "run"
    folder = create_folder(path, make_config({"data": spec, "device": "cpu"}))
    dataset = load_dataset(spec, seed=0)
    save_dataset(dataset, folder.data)
    domains = [split.domains.numpy() for split in (dataset.train, dataset.validation)]
    save_partition(folder, Partition(domains[0], domains[1], 3))  # the third is empty
    return path


def mixture_trial(preset: str | None, top_k: int | None, seed: int = 1, **payload: Any) -> Trial:
    space = get_space("nasbench201", widths=(4,))
    rng = np.random.default_rng(0)
    experts = [space.sample(rng).to_dict() for _ in range(3)]
    recipe = preset_recipe(preset or "taught").for_epochs(2)
    if preset is not None:
        payload["preset"] = preset
    if top_k is not None:
        payload["top_k"] = top_k
    if preset == "moe4":
        payload.setdefault("moe4", SMALL.to_dict())
    else:
        payload |= {"routing": [0, 1, 2], "taught": Taught().to_dict()}
    return Trial(
        kind="mixture",
        stage="final",
        index=0,
        seed=seed,
        recipe=recipe.model_copy(update={"batch_size": 32, "lr": 5e-3}).to_dict(),
        payload={"experts": experts, **payload},
    )


def perform(run: Path, trial: Trial) -> dict[str, Any]:
    # a worker gets and gives JSON
    told = json.loads(json.dumps(trial_to_dict(trial)))
    return json.loads(json.dumps(run_trial(str(run), told), allow_nan=True))


@pytest.mark.parametrize(
    ("preset", "top_k"), [("moe4", None), ("moe4", 1), ("moe4", 2), ("taught", 1), (None, None)]
)
def test_a_mixture_is_trained_by_its_preset_and_tells_of_its_router(
    run: Path, preset: str | None, top_k: int | None
) -> None:
    trial = mixture_trial(preset, top_k)
    numbers = perform(run, trial)
    extra, router = numbers["extra"], numbers["extra"]["router"]
    runs = top_k or (3 if preset == "moe4" else 1)
    assert sum(extra["usage"]) == pytest.approx(runs)
    spent = sum(u * m for u, m in zip(extra["usage"], extra["expert_macs"], strict=True))
    dense = sum(extra["expert_macs"]) + extra["gate_macs"]
    assert numbers["macs"] == pytest.approx(spent + extra["gate_macs"], abs=1)
    assert extra["macs_dense"] == dense
    assert extra["saving"] == pytest.approx(1 - numbers["macs"] / dense)
    assert (extra["saving"] == 0) == (runs == 3)
    assert sum(router["utilisation"]) == pytest.approx(1)
    assert 1 <= router["effective"] <= 3.0001
    assert router["table"][2] is None
    assert [sum(row) for row in router["table"][:2]] == pytest.approx([1, 1])
    assert len(extra["rates"]) == len(extra["curve"]) == 2
    assert extra["passes"] == (2 * runs if preset == "moe4" else 3 + 1)
    assert ("gate_right" in extra) == (preset != "moe4")
    # the weights that were stored fit the network that is built for the trial
    network = build_trial_network(_work.trained_experts(trial), trial.payload, (1, 8, 8), 4)
    stored = load_file(run / "checkpoints" / f"{trial.key}.safetensors")
    network.load_state_dict(stored)
    assert isinstance(network, Mixture)
    assert isinstance(network.gate, Moe4Gate) == (preset == "moe4")
    assert network.top_k == runs


@pytest.mark.parametrize("preset", ["moe4", "taught"])
def test_the_rates_are_those_of_the_experts(run: Path, preset: str) -> None:
    trial = mixture_trial(preset, 1)
    rates = perform(run, trial)["extra"]["rates"]
    assert all(0 < rate < Recipe(**trial.recipe).lr for rate in rates)


def test_measuring_is_deterministic_and_augments_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = mixture_trial("moe4", None)
    first = perform(run, trial)
    context = load_context(str(run))
    network = build_trial_network(_work.trained_experts(trial), trial.payload, (1, 8, 8), 4)
    assert isinstance(network, Mixture)
    network.load_state_dict(load_file(run / "checkpoints" / f"{trial.key}.safetensors"))

    def refuse(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("a measurement drew at random or augmented")

    for name in ("moesaic.training._loop.augment", "torch.randn_like"):
        monkeypatch.setattr(name, refuse)
    state = torch.get_rng_state()
    found = [route_split(context, network, context.dataset.validation) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found[0].logits, found[1].logits)
    assert found[0].to_dict() == found[1].to_dict()
    assert found[0].accuracy == pytest.approx(first["extra"]["accuracy"])
    expected = network.eval()(context.normaliser(context.dataset.validation.inputs))
    torch.testing.assert_close(found[0].logits, expected.detach(), rtol=1e-4, atol=1e-5)
    assert found[0].macs_dense == count_macs(network, (1, 8, 8))


def test_a_trial_of_moe4_can_be_repeated_and_depends_on_its_seed(run: Path) -> None:
    first = perform(run, mixture_trial("moe4", 2))
    torch.rand(5)
    again = perform(run, mixture_trial("moe4", 2))
    other = perform(run, mixture_trial("moe4", 2, seed=2))
    assert first["loss"][:2] == again["loss"][:2]
    assert first["extra"]["curve"] == again["extra"]["curve"]
    assert first["extra"]["router"] == again["extra"]["router"]
    assert first["extra"]["curve"] != other["extra"]["curve"]


def test_the_settings_of_the_gate_reach_the_trial(run: Path) -> None:
    small = perform(run, mixture_trial("moe4", 1))
    other = {"gate_widths": [4, 4, 4], "balance": "none"}
    assert perform(run, mixture_trial("moe4", 1, moe4=other))["parameters"] < small["parameters"]


@pytest.mark.parametrize(("top_k", "runs"), [(None, 3), (1, 1)])
def test_the_test_split_is_measured_with_the_gate_of_moe4(
    run: Path, top_k: int | None, runs: int
) -> None:
    trial = mixture_trial("moe4", top_k)
    perform(run, trial)
    answer = run_test(str(run), trial_to_dict(trial))
    assert sum(answer["usage"]) == pytest.approx(runs)
    assert answer["saving"] == pytest.approx(1 - answer["macs"] / answer["macs_dense"])
    assert 0 <= answer["accuracy"] <= 1


def test_an_experts_trial_tells_its_learning_rates_too(run: Path) -> None:
    architecture = get_space("nasbench201", widths=(4,)).sample(np.random.default_rng(0))
    trial = Trial(
        kind="expert",
        stage="rung-0",
        index=0,
        seed=0,
        architecture=architecture,
        recipe=preset_recipe("moe4").for_epochs(2).to_dict(),
    )
    extra = perform(run, trial)["extra"]
    assert len(extra["rates"]) == 2
    assert "router" not in extra
