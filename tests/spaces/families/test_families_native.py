"""What every native family keeps, whoever wrote it: shapes, gradients, costs, states, export."""

import re

import pytest
import torch
from torch import nn

from moesaic.spaces.families import family_names, get_family
from moesaic.training import count_macs

CLASSES = 5
NATIVE = family_names("native")
QUICK_EXPORT = "SqueezeNet-2"  # export takes seconds: the others are among the slow tests
every_family = pytest.mark.parametrize("name", NATIVE)


def make(name, shape=(3, 32, 32), classes=CLASSES, seed=0):
    torch.manual_seed(seed)
    return get_family(name).build(shape, classes)


def moved(name, shape=(3, 32, 32)):
    """Return a network in evaluation mode whose running statistics have left their start."""
    model = make(name, shape)
    with torch.no_grad():
        for _ in range(2):
            model(1.5 * torch.randn(8, *shape) + 0.3)
    return model.eval()


def test_there_are_families_and_each_says_where_it_was_published():
    assert NATIVE
    for name in NATIVE:
        found = get_family(name)
        assert re.search(r"\b(19|20)\d\d\b", found.provenance), name
        assert 1 <= found.min_size <= 16


@every_family
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 24, 24), (3, 48, 48), (1, 64, 64)], ids=str)
def test_images_of_any_size_and_colour_become_logits(name, shape):
    model = make(name, shape).eval()
    with torch.no_grad():
        x = torch.randn(3, *shape)
        logits = model(x)
        assert logits.shape == (3, CLASSES)
        assert logits.dtype == torch.float32
        assert bool(torch.isfinite(logits).all())
        torch.testing.assert_close(model(x[:1]), logits[:1], atol=1e-4, rtol=1e-3)


@every_family
def test_its_least_size_is_honest(name):
    side = get_family(name).min_size
    shape = (1, side, side)
    model = make(name, shape, classes=2)
    assert model(torch.randn(2, *shape)).shape == (2, 2)


@every_family
@pytest.mark.parametrize("side", [16, 32])
def test_a_batch_of_two_trains_with_finite_gradients_everywhere(name, side):
    model = make(name, (3, side, side)).train()
    x = torch.randn(2, 3, side, side).contiguous(memory_format=torch.channels_last)
    nn.functional.cross_entropy(model(x), torch.tensor([0, 3])).backward()
    for parameter, value in model.named_parameters():
        assert value.grad is not None, parameter
        assert bool(torch.isfinite(value.grad).all()), parameter


@every_family
def test_training_steps_bring_the_loss_down(name):
    model = make(name, (1, 16, 16), classes=2).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    torch.manual_seed(1)
    labels = torch.arange(32) % 2
    x = torch.randn(32, 1, 16, 16) * 0.5
    x[:, :, :8] += 2.0 * labels[:, None, None, None]
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] < 5
    assert min(losses[-3:]) < 0.7 * losses[0]


@every_family
def test_it_costs_the_same_on_the_meta_device(name):
    shape = (3, 32, 32)
    with torch.device("meta"):
        model = get_family(name).build(shape, CLASSES)
    macs = count_macs(model, shape)
    assert macs > 0
    assert macs == count_macs(make(name, shape), shape)
    assert model(torch.randn(2, *shape, device="meta")).shape == (2, CLASSES)


@every_family
def test_it_is_narrowed_for_small_images(name):
    assert count_macs(make(name), (3, 32, 32)) < 30e6
    assert sum(p.numel() for p in make(name).parameters()) < 2e6


@every_family
def test_a_state_restored_gives_equal_outputs(name):
    model, other = moved(name), make(name, seed=1).eval()
    x = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = model(x)
        assert not torch.equal(other(x), expected)
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(x), expected)


@every_family
def test_weights_depend_on_the_seed_of_torch_alone(name):
    first, second, third = (make(name, seed=seed).state_dict() for seed in (7, 7, 8))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], third[key]) for key in first)


def export_agrees(name, side):
    model = moved(name, (3, side, side))
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(
        model, (torch.randn(4, 3, side, side),), dynamic_shapes=dynamic
    ).module()
    with torch.no_grad():
        for batch in (1, 2, 7):
            x = torch.randn(batch, 3, side, side)
            torch.testing.assert_close(program(x), model(x), atol=1e-4, rtol=1e-3)


def test_an_exported_program_agrees_for_any_batch():
    export_agrees(QUICK_EXPORT, 32)


@pytest.mark.slow
@every_family
@pytest.mark.parametrize("side", [16, 40])
def test_every_exported_program_agrees_for_any_batch(name, side):
    export_agrees(name, side)
