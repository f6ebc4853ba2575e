"""The preset moe4: its gate, its objective against a reference, and what its gradient reaches."""

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.config import Moe4, Recipe, Taught, preset_recipe
from moesaic.data import Normaliser, Split
from moesaic.mixture import (
    Mixture,
    Moe4Gate,
    build_gate,
    mixture_groups,
    moe4_objective,
    taught_objective,
)
from moesaic.mixture._balance import BALANCES
from moesaic.training import Mixup, count_macs, count_parameters, fit, predict_logits

RECIPE = Recipe(label_smoothing=0.1, mixup=0.2)
QUIET = Moe4(noise=0.0, gate_dropout=0.0)
SHAPE = (3, 8, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(1, 5, 5), (3, 8, 8), (3, 33, 20), (7,)])
@pytest.mark.parametrize("experts", [2, 5])
def test_the_gate_takes_images_and_vectors_of_any_size(shape, experts):
    torch.manual_seed(0)
    gate = build_gate(shape, experts, "moe4")
    assert isinstance(gate, Moe4Gate)
    assert gate(torch.randn(4, *shape)).shape == (4, experts)
    assert gate.eval()(torch.randn(1, *shape)).shape == (1, experts)


def test_the_gate_is_the_published_one():
    gate = Moe4Gate((3, 32, 32), 4, Moe4())
    layers = [type(layer) for layer in gate.layers]
    assert layers == 2 * [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(layer) for layer in gate.head] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    convolutions = 64 * 27 + 128 * 64 * 9
    norms, head = 2 * (64 + 128), 128 * 64 + 64 + 64 * 4 + 4
    assert count_parameters(gate) == convolutions + norms + head + 1
    macs = 256 * 64 * 27 + 64 * 128 * 576 + 128 * 64 + 64 * 4
    assert count_macs(gate, (3, 32, 32)) == macs


def test_the_noise_is_drawn_in_training_only_and_from_the_global_seed():
    torch.manual_seed(0)
    gate = Moe4Gate((6,), 3, Moe4(noise=0.1, gate_dropout=0.0))
    inputs = torch.randn(4000, 6)
    quiet = gate.eval()(inputs)
    assert torch.equal(gate(inputs), quiet)
    gate.train()
    for layer in gate.layers:
        if isinstance(layer, nn.BatchNorm1d):
            layer.eval()  # the same statistics as before
    torch.manual_seed(5)
    noisy = gate(inputs)
    torch.manual_seed(5)
    assert torch.equal(gate(inputs), noisy)
    assert not torch.equal(gate(inputs), noisy)
    noise = (noisy - quiet).detach()
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.03)


def test_the_temperature_starts_at_two_and_divides_the_logits():
    gate = Moe4Gate((6,), 3, QUIET).eval()
    inputs = torch.randn(5, 6)
    assert float(gate.temperature.detach()) == pytest.approx(2.0)
    torch.testing.assert_close(gate(inputs), gate.head(gate.layers(inputs)) / 2.0)
    # as fast as the parameter itself would move, so the learning rate means what it meant
    (slope,) = torch.autograd.grad(gate.temperature, gate.raw_temperature)
    assert float(slope) == pytest.approx(1.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_temperature_stays_within_its_limits_and_can_come_back(sign):
    gate = Moe4Gate((6,), 3, QUIET)

    def follow(direction):
        optimiser = torch.optim.Adam([gate.raw_temperature], lr=0.1)
        for _ in range(60):
            optimiser.zero_grad()
            (-direction * gate.temperature).backward()
            assert float(gate.raw_temperature.grad.abs()) > 0
            optimiser.step()
        return float(gate.temperature.detach())

    far = follow(sign)
    assert far == pytest.approx(5.0 if sign > 0 else 0.5, abs=0.2)
    assert 0.5 < far < 5.0
    assert abs(follow(-sign) - far) > 1


def case(top_k=3, experts=3):
    torch.manual_seed(0)
    mixture = Mixture(
        [nn.Linear(4, 5) for _ in range(experts)],
        nn.Sequential(nn.Linear(4, experts), nn.Tanh()),
        5,
        top_k,
    )
    return mixture, torch.randn(6, 4), torch.tensor([0, 1, 4, 2, 3, 0])


def log_softmax(values):
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("top_k", [1, 2, 3])
@pytest.mark.parametrize("balance", ["switch", "importance", "z", "none"])
@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_the_value_is_that_of_the_reference(top_k, balance, mixup):
    mixture, inputs, labels = case(top_k)
    recipe = RECIPE.model_copy(update={"mixup": mixup})
    moe4 = Moe4(balance=balance, balance_weight=0.3)
    blend = Mixup(mixup, 7)(inputs)  # what the objective draws from the same seed
    with torch.no_grad():
        gate = mixture.gate(blend.inputs).double().numpy()
        logits = [expert(blend.inputs).double().numpy() for expert in mixture.experts]
    mixed = np.zeros((6, 5))
    for row in range(6):
        best = np.argsort(-gate[row])[:top_k]
        powers = np.exp(gate[row, best])
        for share, k in zip(powers / powers.sum(), best, strict=True):
            mixed[row] += share * logits[k][row]
    soft = np.zeros((6, 5))
    for row in range(6):
        other = row if blend.partner is None else int(blend.partner[row])
        soft[row, labels[row]] += blend.share
        soft[row, labels[other]] += 1 - blend.share
    soft = 0.9 * soft + 0.1 / 5
    expected = -(soft * log_softmax(mixed)).sum(axis=1).mean()
    if balance != "none":
        expected += 0.3 * float(BALANCES[balance](torch.from_numpy(gate)))
    objective = moe4_objective(mixture, recipe, moe4, seed=7)
    assert objective(inputs, labels, torch.arange(6), 0).item() == pytest.approx(expected, abs=1e-5)


def gradients(mixture, moe4, inputs, labels):
    mixture.zero_grad(set_to_none=True)
    recipe = Recipe()
    moe4_objective(mixture, recipe, moe4)(inputs, labels, torch.arange(6), 0).backward()
    return [parameter.grad for parameter in mixture.gate.parameters()]


@pytest.mark.parametrize("top_k", [1, 2, 3])
@pytest.mark.parametrize("balance", ["switch", "importance", "z"])
def test_the_balance_reaches_the_gate_which_the_published_one_did_not(top_k, balance):
    mixture, inputs, labels = case(top_k)
    with_balance = gradients(mixture, Moe4(balance=balance, balance_weight=0.5), inputs, labels)
    without = gradients(mixture, Moe4(balance="none"), inputs, labels)
    mixture.zero_grad(set_to_none=True)
    (0.5 * BALANCES[balance](mixture.gate(inputs))).backward()
    for found, task, parameter in zip(
        with_balance, without, mixture.gate.parameters(), strict=True
    ):
        assert float(parameter.grad.abs().max()) > 1e-4
        torch.testing.assert_close(found - task, parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_the_task_teaches_the_gate_whatever_top_k(top_k):
    mixture, inputs, labels = case(top_k)
    for gradient in gradients(mixture, Moe4(balance="none"), inputs, labels):
        assert float(gradient.abs().max()) > 1e-4


def test_top_one_has_the_gradient_of_the_probability_of_the_chosen():
    mixture, inputs, labels = case(top_k=1)
    found = gradients(mixture, Moe4(balance="none"), inputs, labels)
    gate = mixture.gate(inputs)
    chosen = gate.argmax(dim=1)
    logits = torch.stack([e(inputs) for e in mixture.experts], dim=1)[torch.arange(6), chosen]
    logits = logits.detach().requires_grad_()
    (slope,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), logits)
    worth = (slope * logits.detach()).sum(dim=1)  # of a little more weight
    surrogate = (gate.softmax(dim=1)[torch.arange(6), chosen] * worth).sum()
    mixture.zero_grad(set_to_none=True)
    surrogate.backward()
    for gradient, parameter in zip(found, mixture.gate.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_the_gate_runs_once_a_step_and_only_the_chosen_experts_do(top_k):
    mixture, inputs, labels = case(top_k)
    mixture.eval()
    gate_shown, shown = [], []
    mixture.gate.register_forward_hook(lambda _m, given, _o: gate_shown.append(len(given[0])))
    for expert in mixture.experts:
        expert.register_forward_hook(lambda _m, given, _o: shown.append(len(given[0])))
    moe4_objective(mixture, RECIPE, Moe4())(inputs, labels, torch.arange(6), 0)
    assert gate_shown == [6]
    assert sum(shown) == 6 * top_k


def test_the_gate_has_its_own_learning_rate_and_decay():
    mixture, _, _ = case()
    experts, gate = mixture_groups(mixture, preset_recipe("moe4"))
    assert (experts.lr, experts.weight_decay) == (1.0, 5e-4)
    assert (gate.lr, gate.weight_decay) == (2.0, 2.5e-4)
    assert {id(p) for p in experts.parameters} == {id(p) for p in mixture.experts.parameters()}
    assert {id(p) for p in gate.parameters} == {id(p) for p in mixture.gate.parameters()}
    assert mixture_groups(mixture, Recipe(weight_decay=0.3))[1].weight_decay == 0.3


def problem():
    """Two domains, told apart by brightness; what the brighter half means differs."""
    source = torch.Generator().manual_seed(0)
    domains = torch.arange(240) % 2
    labels = torch.randint(0, 2, (240,), generator=source)
    images = torch.randint(0, 40, (240, 1, 8, 8), generator=source)
    images += 100 * domains[:, None, None, None]
    images[:, :, :4] += 80 * (labels ^ domains)[:, None, None, None]
    return Split(images.to(torch.uint8), labels)


def train(top_k, epochs=12, seed=0):
    split = problem()
    torch.manual_seed(seed)
    experts = [nn.Sequential(nn.Flatten(), nn.Linear(64, 2)) for _ in range(2)]
    moe4 = Moe4(gate_widths=(8, 16, 16))
    mixture = Mixture(experts, build_gate((1, 8, 8), 2, "moe4", moe4), 2, top_k)
    recipe = preset_recipe("moe4").model_copy(
        update={"lr": 0.02, "batch_size": 32, "shift": 0, "epochs": epochs}
    )
    normaliser = Normaliser.fit(split)
    log = fit(
        mixture,
        moe4_objective(mixture, recipe, moe4, seed=3),
        split,
        normaliser,
        recipe,
        seed=3,
        groups=mixture_groups(mixture, recipe),
    )
    return mixture, predict_logits(mixture, split.inputs, normaliser), log, split


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_mixture_learns_what_no_expert_of_it_could(top_k):
    _, logits, log, split = train(top_k, epochs=25)
    assert (logits.argmax(dim=1) == split.labels).float().mean() > 0.9
    assert log.losses[-1] < log.losses[0]


def test_a_training_can_be_repeated_bit_for_bit():
    _, first, log, _ = train(2, epochs=2)
    _, again, log_again, _ = train(2, epochs=2)
    assert torch.equal(first, again)
    assert log.losses == log_again.losses
    _, other, _, _ = train(2, epochs=2, seed=1)
    assert not torch.equal(first, other)


def test_taught_can_be_blended_as_well():
    mixture, inputs, labels = case(top_k=1)
    targets = np.arange(6) % 3
    recipe = Recipe(epochs=10, mixup=0.5)
    taught = Taught(opening=0.0)
    blend = Mixup(0.5, 4)(inputs)
    objective = taught_objective(mixture, targets, recipe, taught, seed=4)
    gate = mixture.gate(blend.inputs)
    expected = blend.cross_entropy(mixture(blend.inputs), labels)
    expected = expected + blend.cross_entropy(gate, torch.from_numpy(targets))
    torch.testing.assert_close(objective(inputs, labels, torch.arange(6), 0), expected)
    assert blend.share < 1
