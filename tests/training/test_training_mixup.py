"""Mixup: the loss to soft targets, from a seed of its own, and nothing at all when it is off."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.data import Normaliser, Split
from moesaic.training import Mixup, Recipe, cross_entropy_objective, fit


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def split(count=40):
    source = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 6, 6), generator=source).to(torch.uint8)
    return Split(images, torch.arange(count) % 3)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(108, 3))


@settings(deadline=None, max_examples=40)
@given(
    batch=st.integers(1, 12),
    alpha=st.sampled_from([0.05, 0.2, 1.0, 5.0]),
    seed=st.integers(0, 50),
    smoothing=st.sampled_from([0.0, 0.1]),
)
def test_a_blend_and_its_loss_are_those_of_the_definition(batch, alpha, seed, smoothing):
    source = torch.Generator().manual_seed(seed)
    inputs = torch.randn(batch, 2, 3, generator=source)
    logits, labels = torch.randn(batch, 4, generator=source), torch.arange(batch) % 4
    blend = Mixup(alpha, seed)(inputs)
    assert 0.5 <= blend.share <= 1
    assert sorted(blend.partner.tolist()) == list(range(batch))
    expected = blend.share * inputs + (1 - blend.share) * inputs[blend.partner]
    torch.testing.assert_close(blend.inputs, expected)
    soft = np.zeros((batch, 4))
    for row, other in enumerate(blend.partner.tolist()):
        soft[row, labels[row]] += blend.share
        soft[row, labels[other]] += 1 - blend.share
    soft = (1 - smoothing) * soft + smoothing / 4
    values = logits.double().numpy()
    logs = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    found = float(blend.cross_entropy(logits, labels, smoothing))
    assert found == pytest.approx(-(soft * logs).sum(axis=1).mean(), abs=1e-5)


def test_shares_are_those_of_a_folded_beta():
    mixup, inputs = Mixup(0.2, 3), torch.zeros(2, 1)
    shares = np.array([mixup(inputs).share for _ in range(4000)])
    draws = np.random.default_rng(0).beta(0.2, 0.2, 200_000)
    folded = np.maximum(draws, 1 - draws)
    for point in (0.6, 0.8, 0.95, 0.999):
        assert (shares < point).mean() == pytest.approx((folded < point).mean(), abs=0.03)


def test_a_blend_is_not_a_blend_without_mixup():
    inputs = torch.randn(5, 2)
    blend = Mixup(0.0, 0)(inputs)
    assert blend.inputs is inputs
    labels = torch.tensor([0, 1, 0, 1, 1])
    expected = nn.functional.cross_entropy(inputs, labels)
    assert torch.equal(blend.cross_entropy(inputs, labels), expected)


def test_the_memory_layout_of_a_batch_is_kept():
    inputs = torch.randn(4, 3, 6, 6).contiguous(memory_format=torch.channels_last)
    mixed = Mixup(1.0, 0)(inputs).inputs
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def train(mixup, seed=0, draw=0):
    recipe = Recipe(epochs=2, batch_size=8, shift=1, mixup=mixup)
    data, model = split(), network()
    objective = cross_entropy_objective(model, recipe, seed=seed)
    torch.manual_seed(draw)  # must not matter
    log = fit(model, objective, data, Normaliser.fit(data), recipe, seed=1)
    return log.losses, model[1].weight.detach()


def test_a_training_with_mixup_can_be_repeated_bit_for_bit():
    losses, weight = train(0.4)
    again, weight_again = train(0.4, draw=9)
    assert losses == again
    assert torch.equal(weight, weight_again)
    assert train(0.4, seed=1)[0] != losses
    assert train(0.0)[0] != losses


def test_without_mixup_its_seed_changes_nothing():
    assert train(0.0, seed=0)[0] == train(0.0, seed=5)[0]
