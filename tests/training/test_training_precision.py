"""Products in bfloat16: what is trained stays float32, it still learns, and float32 is as ever."""

import argparse

import numpy as np
import pytest
import torch
from benchmarks import precision
from torch import nn

from moesaic.config import Moe4, Recipe, Taught
from moesaic.data import Normaliser, Split
from moesaic.errors import InputError
from moesaic.mixture import Mixture, VectorGate, moe4_objective, taught_objective
from moesaic.training import cross_entropy_objective, fit

REDUCED = Recipe(epochs=6, batch_size=16, shift=0, precision="bfloat16", lr=0.02)


def vectors(count=160):
    source = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    inputs = torch.randn(count, 6, generator=source)
    inputs[:, 0] += 5.0 * labels
    return Split(inputs, labels)


def expert():
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


def trained(network, objective, recipe=REDUCED):
    split = vectors()
    log = fit(network, objective, split, Normaliser.fit(split), recipe, seed=1)
    with torch.no_grad():
        logits = network(Normaliser.fit(split)(split.inputs))
    return log, float((logits.argmax(dim=1) == split.labels).float().mean())


def test_the_default_is_the_same_work_as_before_there_was_a_choice():
    assert "precision" not in Recipe().to_dict()
    assert REDUCED.to_dict()["precision"] == "bfloat16"
    for recipe in (Recipe(), REDUCED):
        assert Recipe(**recipe.to_dict()) == recipe


def test_a_network_learns_and_its_weights_stay_float32():
    torch.manual_seed(0)
    network = expert()
    seen = []
    network[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    log, right = trained(network, cross_entropy_objective(network, REDUCED))
    assert set(seen[:-1]) == {torch.bfloat16}
    assert seen[-1] == torch.float32  # what is measured is not reduced
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert np.isfinite(log.losses).all()
    assert right > 0.95


@pytest.mark.parametrize("kind", ["taught", "top 2", "moe4", "moe4, one runs"])
def test_mixtures_learn(kind):
    torch.manual_seed(0)
    top_k = 2 if kind in ("top 2", "moe4") else 1
    network = Mixture([expert(), expert()], VectorGate(6, 2), 2, top_k)
    if kind.startswith("moe4"):
        objective = moe4_objective(network, REDUCED, Moe4())
    else:
        targets = (vectors().inputs[:, 1] > 0).long().numpy()
        objective = taught_objective(network, targets, REDUCED, Taught(opening=0.2))
    log, right = trained(network, objective)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert np.isfinite(log.losses).all()
    assert right > 0.9


def test_two_reduced_trainings_give_the_same_weights():
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        network = expert()
        trained(network, cross_entropy_objective(network, REDUCED))
        found.append([value.clone() for value in network.parameters()])
    for first, second in zip(*found, strict=True):
        assert torch.equal(first, second)


def words(**changed):
    given = {
        "data": "digits",
        "image_size": None,
        "cells": 2,
        "epochs": 1,
        "device": "cpu",
        "seed": 0,
    }
    return argparse.Namespace(**{**given, **changed})


def test_the_benchmark_compares_both(monkeypatch, capsys):
    monkeypatch.setattr(precision, "FACTORS", (1,))
    found = precision.run(words())
    (row,) = found["rows"]
    assert row["widths"] == [8, 16, 32]
    assert row["speed"]["low"] <= row["speed"]["mean"] <= row["speed"]["high"]
    assert set(row["accuracy"]) == {"float32", "bfloat16"}
    precision.show(found)
    assert "8 16 32" in capsys.readouterr().out


def test_bad_words_are_one_line():
    with pytest.raises(InputError, match="--cells is 1"):
        precision.run(words(cells=1))
