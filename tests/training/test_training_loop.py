"""The training loop: repeatable, leads somewhere, and says why when it stops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.data import Normaliser, Split
from moesaic.errors import Diverged, InputError
from moesaic.training import Recipe, cross_entropy_objective, fit
from moesaic.training._schedule import one_cycle

RECIPE = Recipe(epochs=3, batch_size=16, shift=1, flip=True, cutout=2)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def image_split(count=48, classes=3, seed=0):
    """Images whose channel `label` is bright."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = torch.randint(0, 90, (count, 3, 8, 8), generator=source)
    images[torch.arange(count), labels] += 120
    return Split(images.to(torch.uint8), labels)


def vector_split(count=60, seed=0):
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    vectors = torch.randn(count, 5, generator=source)
    vectors[:, 0] += 6.0 * labels
    return Split(vectors, labels)


def image_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def vector_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def train(split, network, recipe=RECIPE, seed=0, **options):
    log = fit(
        network,
        cross_entropy_objective(network, recipe),
        split,
        Normaliser.fit(split),
        recipe,
        seed=seed,
        **options,
    )
    return network, log


def same(one, other):
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("split", "build"), [(image_split(), image_network), (vector_split(), vector_network)]
)
def test_equal_seeds_give_equal_bits_and_others_do_not(split, build):
    first, log = train(split, build(), seed=7)
    torch.rand(3)  # the global generator is not part of a training
    second, log_again = train(split, build(), seed=7)
    other, _ = train(split, build(), seed=8)
    assert same(first, second)
    assert log.losses == log_again.losses
    assert not same(first, other)


@pytest.mark.parametrize(
    ("split", "build"), [(image_split(), image_network), (vector_split(), vector_network)]
)
def test_a_separable_problem_is_learned(split, build):
    recipe = Recipe(epochs=30, batch_size=16, lr=0.02, shift=0)
    network, log = train(split, build(), recipe)
    assert len(log.losses) == 30
    assert log.samples == 30 * len(split)
    assert log.losses[-1] < 0.3 < log.losses[0]
    with torch.no_grad():
        right = network(Normaliser.fit(split)(split.inputs)).argmax(dim=1) == split.labels
    assert right.float().mean() > 0.95


def test_the_network_is_left_in_evaluation_mode():
    network, _ = train(image_split(), image_network().eval())
    assert not any(module.training for module in network.modules())


def test_the_objective_sees_every_sample_once_an_epoch_and_the_epoch():
    split = vector_split(17)
    network = vector_network()
    plain = cross_entropy_objective(network, RECIPE)
    seen = {}

    def objective(inputs, labels, index, epoch):
        assert network.training
        assert torch.equal(labels, split.labels[index])
        torch.testing.assert_close(inputs, Normaliser.fit(split)(split.inputs[index]))
        seen.setdefault(epoch, []).append(index)
        return plain(inputs, labels, index, epoch)

    fit(network, objective, split, Normaliser.fit(split), RECIPE, seed=0)
    assert sorted(seen) == [0, 1, 2]
    for chunks in seen.values():
        # 16 + 1: a batch of one would break batch normalisation
        assert [len(chunk) for chunk in chunks] == [17]
        assert torch.cat(chunks).sort().values.tolist() == list(range(17))


def test_inputs_are_augmented_but_the_split_is_not_touched():
    split = image_split()
    before = split.inputs.clone()
    network = image_network()
    plain = cross_entropy_objective(network, RECIPE)
    normaliser = Normaliser.fit(split)
    changed = []

    def objective(inputs, labels, index, epoch):
        changed.append(not torch.allclose(inputs, normaliser(split.inputs[index])))
        return plain(inputs, labels, index, epoch)

    fit(network, objective, split, normaliser, RECIPE, seed=0)
    assert all(changed)
    assert torch.equal(split.inputs, before)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_the_weights_are_spoilt(value):
    network = vector_network()
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}

    def objective(inputs, labels, index, epoch):
        return network(inputs).sum() * value

    split = vector_split()
    with pytest.raises(Diverged, match="loss became"):
        fit(network, objective, split, Normaliser.fit(split), RECIPE, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.named_parameters())


def test_a_gradient_that_is_no_number_is_noticed_even_in_the_last_step():
    network = vector_network()

    def objective(inputs, labels, index, epoch):
        # a finite loss with an infinite slope
        return (network(inputs).sum() * 0.0).abs().sqrt()

    split = vector_split()
    recipe = Recipe(epochs=1, batch_size=128)
    with pytest.raises(Diverged, match="gradient became"):
        fit(network, objective, split, Normaliser.fit(split), recipe, seed=0)


def test_the_gradient_is_clipped(monkeypatch):
    norms = []
    real = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.cat([g.flatten() for g in grads if g is not None]).norm()))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    split = vector_split()
    network = vector_network()
    recipe = RECIPE.model_copy(update={"clip": 0.05})
    fit(
        network,
        lambda inputs, labels, index, epoch: 1e4 * network(inputs).square().mean(),
        split,
        Normaliser.fit(split),
        recipe,
        seed=0,
    )
    assert norms
    assert max(norms) <= 0.05 * (1 + 1e-4)


def test_an_empty_split_is_refused():
    empty = vector_split().take(torch.zeros(0, dtype=torch.int64))
    with pytest.raises(InputError, match="no samples"):
        fit(
            vector_network(),
            cross_entropy_objective(vector_network(), RECIPE),
            empty,
            Normaliser(torch.zeros(5), torch.ones(5)),
            RECIPE,
            seed=0,
        )


def test_label_smoothing_enters_the_loss():
    network = vector_network().eval()
    inputs, labels = torch.randn(6, 5), torch.tensor([0, 1, 0, 1, 1, 0])
    objective = cross_entropy_objective(network, Recipe(label_smoothing=0.2))
    logs = network(inputs).log_softmax(dim=1)
    target = torch.full((6, 2), 0.1)
    target[torch.arange(6), labels] = 0.9
    expected = -(target * logs).sum(dim=1).mean()
    torch.testing.assert_close(objective(inputs, labels, torch.arange(6), 0), expected)


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 20),
    batch_size=st.integers(2, 8),
    epochs=st.integers(1, 4),
    warmup=st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.9]),
)
def test_any_number_of_steps_can_be_trained(count, batch_size, epochs, warmup):
    recipe = Recipe(epochs=epochs, batch_size=batch_size, warmup=warmup)
    _, log = train(vector_split(count), vector_network(), recipe)
    assert len(log.losses) == epochs
    assert log.samples == epochs * count


@settings(deadline=None)
@given(steps=st.integers(1, 500), warmup=st.floats(0.01, 0.99))
def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(steps, warmup):
    rates = [one_cycle(step, steps, warmup) for step in range(steps + 1)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert all(rate > 0 for rate in rates[:-1])
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert abs(top - warmup * steps) <= 1
