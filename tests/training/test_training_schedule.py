"""Learning rates: what each schedule gives at every step, and what a training really used."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.config import preset_recipe
from moesaic.data import Normaliser, Split
from moesaic.errors import InputError
from moesaic.training import ParameterGroup, Recipe, cross_entropy_objective, fit
from moesaic.training._schedule import learning_rates, one_cycle, warmup_cosine


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def split(count=64):
    source = torch.Generator().manual_seed(0)
    return Split(torch.randn(count, 4, generator=source), torch.arange(count) % 2)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))


def train(recipe, samples=64, build=network, **options):
    """Return the learning rates of every group at every step, the log and the network."""
    data, model, used = split(samples), build(), []
    real = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        used.append([float(group["lr"]) for group in self.param_groups])
        return real(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        if "groups" in options:
            options["groups"] = options["groups"](model)
        objective = cross_entropy_objective(model, recipe)
        log = fit(model, objective, data, Normaliser.fit(data), recipe, seed=0, **options)
    return used, log, model


def reference(step, steps, warmup, floor):
    """From the definition: a line from .1 to 1, then half a cosine that ends at the last step."""
    rising = min(math.floor(warmup * steps), max(0, steps - 2))
    if step < rising:
        return 0.1 + 0.9 * step / rising
    if steps - 1 == rising:
        return 1.0
    angle = math.pi * (step - rising) / (steps - 1 - rising)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(min(math.pi, angle)))


@settings(deadline=None)
@given(
    steps=st.integers(1, 400),
    warmup=st.floats(0.01, 0.99),
    floor=st.sampled_from([0.0, 1e-3, 0.5]),
)
def test_warmup_cosine_spans_the_steps(steps, warmup, floor):
    rates = [warmup_cosine(step, steps, warmup, floor) for step in range(steps)]
    expected = [reference(step, steps, warmup, floor) for step in range(steps)]
    assert rates == pytest.approx(expected, abs=1e-12)
    assert max(rates) == 1.0
    top = rates.index(1.0)
    assert top <= warmup * steps
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if steps > 1:
        assert rates[-1] == pytest.approx(floor, abs=1e-12)
    # the optimiser's schedule asks for one step more than is taken
    assert warmup_cosine(steps, steps, warmup, floor) <= rates[-1]


@given(steps=st.integers(2, 100), warmup=st.floats(0.05, 0.9))
def test_one_cycle_ends_at_its_floor(steps, warmup):
    assert one_cycle(steps, steps, warmup, 0.25) == pytest.approx(0.25)
    peak = math.ceil(warmup * steps)
    for step in range(peak, steps):
        share = one_cycle(step, steps, warmup)
        assert one_cycle(step, steps, warmup, 0.25) == pytest.approx(0.25 + 0.75 * share)


def test_groups_of_unequal_peaks_end_at_the_same_rate():
    recipe = preset_recipe("moe4")
    for factor in (1.0, 2.0, 0.5):
        share = learning_rates(recipe, 100, factor)
        assert factor * recipe.lr * share(99) == pytest.approx(1e-6)
        assert share(10) == 1.0
    # a group whose peak is below the floor stays at its peak
    assert learning_rates(recipe, 100, 1e-4)(99) == 1.0


@pytest.mark.parametrize("epochs", [1, 2, 3, 8])
def test_a_short_training_leaves_its_warm_up_and_ends_at_the_floor(epochs):
    """The published schedule held one epoch of fifty for the start of its warm-up."""
    recipe = preset_recipe("moe4").model_copy(update={"batch_size": 8}).for_epochs(epochs)
    used, log, _ = train(recipe)
    rates = [first for (first,) in used]
    assert len(rates) == 8 * epochs
    assert rates[0] == pytest.approx(5e-5)
    assert max(rates) == pytest.approx(5e-4)
    assert rates.index(max(rates)) == int(0.25 * len(rates))
    assert rates[-1] == pytest.approx(1e-6)
    means = [sum(rates[start : start + 8]) / 8 for start in range(0, len(rates), 8)]
    assert log.rates == pytest.approx(means)


def test_the_rates_logged_are_those_of_the_first_group():
    recipe = Recipe(epochs=2, batch_size=16, lr=0.01)

    def groups(model):
        body, head = model[0], model[2]
        return [
            ParameterGroup(tuple(body.parameters()), 3.0, 0.0),
            ParameterGroup(tuple(head.parameters()), 0.5, 0.1),
        ]

    used, log, _ = train(recipe, groups=groups)
    plain, log_plain, _ = train(recipe)
    assert [pair[0] for pair in used] == pytest.approx([3 * one for (one,) in plain])
    assert [pair[1] for pair in used] == pytest.approx([0.5 * one for (one,) in plain])
    assert log.rates == pytest.approx([3 * rate for rate in log_plain.rates])


def test_one_group_of_everything_is_no_groups_bit_for_bit():
    recipe = Recipe(epochs=2, batch_size=16)

    def halves(model):
        return [
            ParameterGroup(tuple(model[0].parameters()), 1.0, recipe.weight_decay),
            ParameterGroup(tuple(model[2].parameters()), 1.0, recipe.weight_decay),
        ]

    _, log, model = train(recipe)
    _, log_again, again = train(recipe, groups=halves)
    assert log.losses == log_again.losses
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weight_decay_is_the_groups_own():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fast = nn.Parameter(torch.ones(3))
            self.slow = nn.Parameter(torch.ones(3))

        def forward(self, inputs):
            # no gradient but zero: only the decay moves the weights
            return inputs[:, :2] + 0 * (self.fast.sum() + self.slow.sum())

    def groups(model):
        return [
            ParameterGroup((model.fast,), 1.0, 0.5),
            ParameterGroup((model.slow,), 1.0, 0.0),
        ]

    used, _, model = train(Recipe(epochs=1, batch_size=16, lr=0.1), build=Two, groups=groups)
    expected = math.prod(1 - 0.5 * rate for rate, _ in used)
    assert model.fast.tolist() == pytest.approx([expected] * 3)
    assert model.slow.tolist() == [1.0] * 3


@pytest.mark.parametrize("kind", ["missing", "twice", "foreign"])
def test_groups_that_are_not_the_networks_parameters_are_refused(kind):
    def groups(model):
        everything = tuple(model.parameters())
        given = {
            "missing": everything[1:],
            "twice": (*everything, everything[0]),
            "foreign": (*everything[1:], nn.Parameter(torch.zeros(1))),
        }[kind]
        return [ParameterGroup(given, 1.0, 0.0)]

    with pytest.raises(InputError, match="give every parameter of the network in one group"):
        train(Recipe(epochs=1), groups=groups)
