"""The taught recipe: its objective against a reference, and who gets a gradient from what."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from moesaic.config import Recipe, Taught
from moesaic.data import Normaliser, Split
from moesaic.mixture import (
    Mixture,
    build_gate,
    gather_classes,
    taught_objective,
    training_passes,
)
from moesaic.training import fit, predict_logits

RECIPE = Recipe(epochs=10, label_smoothing=0.1)
TAUGHT = Taught(opening=0.2, weight=0.7)  # epochs 0 and 1


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def case(top_k=1):
    torch.manual_seed(0)
    mixture = Mixture([nn.Linear(4, 3) for _ in range(3)], nn.Linear(4, 3), 3, top_k)
    with torch.no_grad():
        mixture.gate.weight.copy_(2 * torch.eye(3, 4))
        mixture.gate.bias.zero_()
    inputs, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 2, 1, 0])
    index = torch.tensor([7, 1, 3, 0, 9, 4])
    targets = np.arange(10) % 3
    return mixture, inputs, labels, index, targets


def smooth_cross_entropy(logits, labels, smoothing):
    """In NumPy, from the definition."""
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    classes = logits.shape[1]
    wanted = np.full(logits.shape, smoothing / classes)
    wanted[np.arange(len(labels)), labels] += 1 - smoothing
    return -(wanted * logs).sum(axis=1).mean()


def reference(mixture, inputs, labels, lesson, weights):
    """The objective, dense, for given weights (B, K)."""
    with torch.no_grad():
        logits = np.stack([expert(inputs).numpy() for expert in mixture.experts], axis=1)
        gate = mixture.gate(inputs).numpy()
    mixed = (weights[:, :, None] * logits).sum(axis=1)
    task = smooth_cross_entropy(mixed, labels.numpy(), RECIPE.label_smoothing)
    return task + TAUGHT.weight * smooth_cross_entropy(gate, lesson, 0.0)


def softmax(values):
    powers = np.exp(values)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("epoch", [0, 1, 2, 9])
@pytest.mark.parametrize("oracle", [False, True])
def test_the_value_is_that_of_the_reference(epoch, oracle):
    mixture, inputs, labels, index, targets = case()
    objective = taught_objective(mixture, targets, RECIPE, TAUGHT, oracle=oracle)
    lesson = targets[index.numpy()]
    gate = mixture.gate(inputs).detach().numpy()
    if epoch < 2:
        weights = softmax(gate)
    elif oracle:
        weights = np.eye(3)[lesson]
    else:
        weights = np.eye(3)[gate.argmax(axis=1)]
    expected = reference(mixture, inputs, labels, lesson, weights)
    assert objective(inputs, labels, index, epoch).item() == pytest.approx(expected, abs=1e-5)


def gradients(mixture, loss):
    mixture.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad for name, p in mixture.named_parameters()}


def test_hard_routing_teaches_the_gate_by_the_lesson_alone():
    mixture, inputs, labels, index, targets = case()
    objective = taught_objective(mixture, targets, RECIPE, TAUGHT)
    found = gradients(mixture, objective(inputs, labels, index, 5))
    lesson = nn.functional.cross_entropy(mixture.gate(inputs), torch.from_numpy(targets)[index])
    expected = gradients(mixture, TAUGHT.weight * lesson)
    for name in ("gate.weight", "gate.bias"):
        torch.testing.assert_close(found[name], expected[name])
    silent = taught_objective(mixture, targets, RECIPE, Taught(opening=0.2, weight=0.0))
    none = gradients(mixture, silent(inputs, labels, index, 5))
    assert float(none["gate.weight"].abs().max()) == 0
    # while all experts run, and with two experts a sample, the task teaches the gate as well
    opening = gradients(mixture, silent(inputs, labels, index, 0))
    assert float(opening["gate.weight"].abs().max()) > 0
    pair, inputs, labels, index, targets = case(top_k=2)
    silent = taught_objective(pair, targets, RECIPE, Taught(opening=0.2, weight=0.0))
    assert float(gradients(pair, silent(inputs, labels, index, 5))["gate.weight"].abs().max()) > 0


@pytest.mark.parametrize("oracle", [False, True])
def test_hard_routing_teaches_an_expert_by_its_own_samples_alone(oracle):
    mixture, inputs, labels, index, targets = case()
    objective = taught_objective(mixture, targets, RECIPE, TAUGHT, oracle=oracle)
    found = gradients(mixture, objective(inputs, labels, index, 5))
    chosen = mixture.gate(inputs).argmax(dim=1)
    if oracle:
        chosen = torch.from_numpy(targets)[index]
    assert len(set(chosen.tolist())) > 1
    for name, expert in enumerate(mixture.experts):
        rows = chosen == name
        gradient = found[f"experts.{name}.weight"]
        if not rows.any():
            assert gradient is None
            continue
        losses = nn.functional.cross_entropy(
            expert(inputs[rows]), labels[rows], label_smoothing=0.1, reduction="sum"
        )
        (expected,) = torch.autograd.grad(losses / len(labels), expert.weight)
        torch.testing.assert_close(gradient, expected)


def test_every_expert_sees_every_sample_in_the_opening():
    mixture, inputs, labels, index, targets = case()
    mixture.eval()  # a lone sample is shown twice in training
    shown = []
    for expert in mixture.experts:
        expert.register_forward_hook(lambda _m, given, _o: shown.append(given[0].shape[0]))
    objective = taught_objective(mixture, targets, RECIPE, TAUGHT)
    objective(inputs, labels, index, 1)
    assert shown == [6, 6, 6]
    shown.clear()
    objective(inputs, labels, index, 2)
    assert sum(shown) == 6


@settings(deadline=None)
@given(
    epochs=st.integers(1, 200),
    opening=st.floats(0, 1),
    experts=st.integers(1, 8),
    data=st.data(),
)
def test_training_passes_count_the_opening_in_full(epochs, opening, experts, data):
    top_k = data.draw(st.integers(1, experts))
    recipe, taught = Recipe(epochs=epochs), Taught(opening=opening)
    start = taught.opening_epochs(epochs)
    assert opening * epochs - 1e-6 <= start < opening * epochs + 1
    passes = training_passes(recipe, taught, experts, top_k)
    assert passes == sum(experts if epoch < start else top_k for epoch in range(epochs))


@pytest.mark.parametrize(
    ("opening", "epochs", "expected"),
    [(0.0, 10, 0), (0.08, 12, 1), (0.07, 100, 7), (0.1, 30, 3), (0.5, 3, 2), (1.0, 5, 5)],
)
def test_the_opening_is_rounded_up_but_not_by_rounding_errors(opening, epochs, expected):
    assert Taught(opening=opening).opening_epochs(epochs) == expected
    assert math.ceil(0.07 * 100) == 8  # why


def test_a_taught_mixture_learns_both_its_task_and_its_routing():
    source = torch.Generator().manual_seed(0)
    domains = torch.arange(240) % 2
    labels = torch.randint(0, 2, (240,), generator=source)
    images = torch.randint(0, 40, (240, 1, 8, 8), generator=source)
    images += 100 * domains[:, None, None, None]
    images[:, :, :4] += 80 * (labels ^ domains)[:, None, None, None]  # the domain turns the sign
    split = Split(images.to(torch.uint8), labels)
    torch.manual_seed(0)
    experts = [nn.Sequential(nn.Flatten(), nn.Linear(64, 2)) for _ in range(2)]
    mixture = Mixture(experts, build_gate((1, 8, 8), 2), 2)
    recipe = Recipe(epochs=25, batch_size=32, lr=0.02, shift=0)
    normaliser = Normaliser.fit(split)
    objective = taught_objective(mixture, domains.numpy(), recipe, Taught())
    fit(mixture, objective, split, normaliser, recipe, seed=0)
    routed = predict_logits(mixture.gate, split.inputs, normaliser).argmax(dim=1)
    assert (routed == domains).float().mean() > 0.97
    answers = predict_logits(mixture, split.inputs, normaliser).argmax(dim=1)
    assert (answers == labels).float().mean() > 0.97


def test_a_class_that_is_almost_wholly_at_one_expert_is_gathered_there():
    labels = np.array([0] * 20 + [1] * 20)
    targets = np.array([1] * 19 + [0] + [0] * 19 + [1])
    assert gather_classes(targets, labels, 0.9).tolist() == [1] * 20 + [0] * 20
    assert gather_classes(targets, labels, 1.0).tolist() == targets.tolist()
    assert gather_classes(targets, labels, 0.96).tolist() == targets.tolist()
    assert gather_classes(targets[:0], labels[:0], 0.9).shape == (0,)


def test_a_region_that_cuts_through_the_classes_stays_as_it_is():
    labels = np.tile([0, 1, 2], 40)
    targets = np.zeros(120, np.int64)
    targets[:6] = 1  # a twentieth of every class: images by night
    assert gather_classes(targets, labels, 0.9).tolist() == targets.tolist()


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 60), st.floats(0.51, 1.0))
def test_gathering_moves_samples_to_where_most_of_their_class_is(classes, experts, count, share):
    rng = np.random.default_rng(count)
    labels, targets = rng.integers(0, classes, count), rng.integers(0, experts, count)
    found = gather_classes(targets, labels, share)
    for name in set(labels.tolist()):
        inside = labels == name
        before = np.bincount(targets[inside], minlength=experts)
        moved = inside & (found != targets)
        assert not moved.any() or before.max() >= share * inside.sum()
        assert (found[moved] == before.argmax()).all()
