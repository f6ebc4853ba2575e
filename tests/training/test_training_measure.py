"""Measurement: per-cluster numbers against NumPy, predictions that can be trusted."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.data import Normaliser, Split
from moesaic.errors import Diverged
from moesaic.training import (
    by_cluster,
    measure,
    measure_logits,
    predict_logits,
    sample_losses,
)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def image_case(count=1203):
    source = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, 256, (count, 1, 5, 5), generator=source).to(torch.uint8)
    torch.manual_seed(2)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.Flatten(), nn.Linear(54, 4)
    )
    return Split(inputs, torch.randint(0, 4, (count,), generator=source)), network.eval()


def vector_case(count=77):
    source = torch.Generator().manual_seed(1)
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))
    inputs = torch.randn(count, 3, generator=source)
    return Split(inputs, torch.randint(0, 4, (count,), generator=source)), network


@pytest.mark.parametrize("case", [image_case, vector_case])
def test_every_cluster_agrees_with_numpy_and_an_empty_one_is_nan(case):
    split, network = case()
    normaliser = Normaliser.fit(split)
    clusters = np.arange(len(split)) % 3
    clusters[clusters == 1] = 3  # nothing in cluster 1
    found = measure(network, split, normaliser, clusters, 4)

    with torch.no_grad():
        logits = network(normaliser(split.inputs)).double().numpy()
    labels = split.labels.numpy()
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for name in (0, 2, 3):
        rows = np.flatnonzero(clusters == name)
        loss = -logs[rows, labels[rows]].mean()
        assert found.loss[name] == pytest.approx(loss, rel=2e-3)
        right = (logits[rows].argmax(axis=1) == labels[rows]).mean()
        assert found.accuracy[name] == pytest.approx(right)
    assert math.isnan(found.loss[1])
    assert math.isnan(found.accuracy[1])
    assert found.loss.dtype == found.accuracy.dtype == np.float64


@pytest.mark.parametrize("case", [image_case, vector_case])
def test_predictions_are_finite_float16_log_probabilities(case):
    split, network = case()
    found = measure(network, split, Normaliser.fit(split), np.zeros(len(split), np.int64), 1)
    assert found.predictions.dtype == np.float16
    assert found.predictions.shape == (len(split), 4)
    assert np.isfinite(found.predictions).all()
    assert np.exp(found.predictions.astype(np.float64)).sum(axis=1) == pytest.approx(1, abs=5e-3)


def test_a_confident_mistake_stays_finite():
    network = nn.Linear(2, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1e6, 0.0], [0.0, 1e6]]))
    split = Split(torch.eye(2), torch.tensor([1, 1]))
    found = measure(network, split, Normaliser(torch.zeros(2), torch.ones(2)), np.array([0, 1]), 2)
    assert np.isfinite(found.predictions).all()
    assert 5e4 < found.loss[0] < np.inf
    assert found.loss[1] == 0
    assert found.accuracy.tolist() == [0, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_outputs_that_are_no_numbers_are_an_error_and_no_empty_cluster(value):
    split, network = vector_case()
    with torch.no_grad():
        network[0].bias[0] = value
        network[2].weight.fill_(1.0)
    with pytest.raises(Diverged, match="not a number"):
        measure(network, split, Normaliser.fit(split), np.zeros(len(split), np.int64), 1)


def test_nothing_is_augmented_dropped_or_trained_when_measuring():
    split, network = image_case(40)
    normaliser = Normaliser.fit(split)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    logits = predict_logits(network, split.inputs, normaliser)
    assert network.training
    assert torch.equal(logits, predict_logits(network, split.inputs, normaliser))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with torch.no_grad():
        expected = network.eval()(normaliser(split.inputs))
    torch.testing.assert_close(logits, expected)
    assert not logits.requires_grad


@pytest.mark.parametrize("batch_size", [1, 7, 40, 500])
def test_the_batch_size_changes_nothing(batch_size):
    split, network = image_case(40)
    normaliser = Normaliser.fit(split)
    torch.testing.assert_close(
        predict_logits(network, split.inputs, normaliser, batch_size),
        predict_logits(network, split.inputs, normaliser),
    )


@settings(deadline=None)
@given(data=st.data(), count=st.integers(1, 6), size=st.integers(0, 40))
def test_means_of_clusters_agree_with_a_loop(data, count, size):
    names = data.draw(st.lists(st.integers(0, count - 1), min_size=size, max_size=size))
    values = data.draw(st.lists(st.floats(-100, 100), min_size=size, max_size=size))
    clusters, array = np.array(names, np.int64), np.array(values, np.float64)
    means = by_cluster(array, clusters, count)
    assert means.shape == (count,)
    for name in range(count):
        inside = [value for value, owner in zip(values, names, strict=True) if owner == name]
        if inside:
            assert means[name] == pytest.approx(sum(inside) / len(inside), abs=1e-9)
        else:
            assert math.isnan(means[name])
    if size:  # weighted by the sizes, the means give the mean of all
        sizes = np.bincount(clusters, minlength=count)
        assert np.nansum(means * sizes) / size == pytest.approx(array.mean(), abs=1e-9)


@settings(deadline=None)
@given(count=st.integers(1, 12), classes=st.integers(1, 5), seed=st.integers(0, 99))
def test_losses_come_from_the_stored_predictions(count, classes, seed):
    rng = np.random.default_rng(seed)
    predictions = np.log(rng.dirichlet(np.ones(classes), count)).clip(-6e4).astype(np.float16)
    labels = rng.integers(0, classes, count)
    losses = sample_losses(predictions, torch.from_numpy(labels))
    assert losses.dtype == np.float64
    assert losses.tolist() == [-float(predictions[i, labels[i]]) for i in range(count)]
    assert (losses >= 0).all()


def test_rounding_does_not_change_an_answer():
    logits = torch.zeros(300, 5)
    chosen = torch.arange(300) % 5
    logits[torch.arange(300), chosen] = 1e-5  # far below what float16 tells apart at log(1/5)
    labels = torch.zeros(300, dtype=torch.int64)
    found = measure_logits(logits, labels, np.zeros(300, np.int64), 1)
    assert np.array_equal(found.predictions.argmax(axis=1), chosen.numpy())
    assert found.accuracy[0] == pytest.approx(0.2)
    assert np.abs(found.predictions - np.log(0.2)).max() < 3e-3
