"""The networks of vector cells: operations by hand, geometry, export, and the toy they are for."""

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.data import Normaliser, load_dataset
from moesaic.errors import BuildError
from moesaic.spaces import get_space
from moesaic.spaces._vector_operations import build_vector_operation
from moesaic.training import Recipe, cross_entropy_objective, fit, predict_logits


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chain(*operations, **options):
    """A space and the cell in it that applies the operations one after the other."""
    space = get_space("vector_cells", vertices=len(operations) + 1, **options)
    groups = (
        "".join(f"none~{source}|" for source in range(target)) + f"{operation}~{target}|"
        for target, operation in enumerate(operations)
    )
    return space, space.parse("+".join("|" + group for group in groups))


def test_operations_do_what_their_names_say():
    torch.manual_seed(0)
    x = torch.randn(7, 6)
    module = {op: build_vector_operation(op, 6) for op in ("square", "shift", "relu", "dropout")}
    assert torch.equal(module["square"](x), x * x)
    assert torch.equal(module["relu"](x), x.clamp_min(0))
    assert torch.equal(build_vector_operation("skip", 6)(x), x)
    moved = module["shift"](x) - x
    torch.testing.assert_close(moved, module["shift"].offset.expand(7, 6))
    kept = module["dropout"](torch.ones(1000, 6))
    assert set(kept.unique().tolist()) == {0.0, torch.tensor(1 / 0.9).item()}
    assert 0.07 < (kept == 0).float().mean() < 0.13
    assert torch.equal(module["dropout"].eval()(x), x)
    with pytest.raises(BuildError, match="none"):
        build_vector_operation("none", 6)


def test_rbf_is_a_gaussian_of_the_distance_to_its_centres():
    torch.manual_seed(0)
    module = build_vector_operation("rbf", 5)
    x = 2 * torch.randn(9, 5)
    gamma = nn.functional.softplus(module.sharpness)
    expected = torch.exp(-gamma * torch.cdist(x, module.centres.weight) ** 2)
    torch.testing.assert_close(module(x), expected)
    torch.testing.assert_close(gamma[[0, -1]], torch.tensor([1 / 5, 16 / 5]))
    own = module(module.centres.weight)  # every centre is the summit of its own bump
    torch.testing.assert_close(own.diag(), torch.ones(5))
    assert bool((own <= 1).all())
    with torch.no_grad():
        module.sharpness.fill_(-60.0)
    assert bool((nn.functional.softplus(module.sharpness) > 0).all())


def test_linear_maps_keep_the_variance_of_their_inputs():
    torch.manual_seed(0)
    out = build_vector_operation("linear", 64)(torch.randn(2000, 64))
    assert 0.8 < out.var().item() < 1.25


@pytest.mark.parametrize("inputs", [2, 16])
def test_the_stem_keeps_distances_where_the_inputs_fit(inputs):
    space, cell = chain("rbf")
    x = torch.randn(100, inputs)
    for seed in range(3):
        torch.manual_seed(seed)
        stem = space.build(cell, (inputs,), 2).stem
        ratio = torch.pdist(stem(x)) / torch.pdist(x)
        assert 0.7 < ratio.min().item() <= ratio.max().item() < 1.5


def test_the_stem_projects_orthogonally_where_they_do_not():
    space, cell = chain("rbf")
    rows = space.build(cell, (40,), 2).stem.weight
    torch.testing.assert_close(rows @ rows.T, torch.eye(16), atol=1e-5, rtol=0)


def test_squares_of_squares_stay_finite_from_cell_to_cell():
    space, cell = chain("square", "square", "square", widths=(8, 8), cells_per_stage=3)
    torch.manual_seed(0)
    model = space.build(cell, (4,), 3)
    logits = model(torch.randn(256, 4))
    nn.functional.cross_entropy(logits, torch.randint(3, (256,))).backward()
    assert bool(torch.isfinite(logits).all())
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters())


def test_the_exported_program_agrees_for_any_batch_with_all_operations():
    space = get_space("vector_cells", vertices=5, widths=(6, 9))
    cell = space.parse(
        "|rbf~0|+|linear~0|square~1|+|shift~0|relu~1|dropout~2|+|none~0|skip~1|linear~2|rbf~3|"
    )
    live = {operation for *_, operation in space.graph(cell)}
    assert live == {"rbf", "linear", "square", "shift", "relu", "dropout", "skip"}
    torch.manual_seed(0)
    model = space.build(cell, (3,), 4)
    model(torch.randn(64, 3))  # moves the running statistics
    model.eval()
    shapes = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (torch.randn(5, 3),), dynamic_shapes=shapes, strict=False)
    for batch in (1, 17):
        x = torch.randn(batch, 3)
        torch.testing.assert_close(program.module()(x), model(x))


@pytest.mark.parametrize("shape", [(3, 16, 16), (4, 5), (0,), ()])
def test_what_is_no_vector_is_a_build_error_in_one_line(shape):
    space, cell = chain("linear")
    with pytest.raises(BuildError, match="takes vectors") as caught:
        space.build(cell, shape, 2)
    assert "\n" not in str(caught.value)
    assert ("--space nasbench201" in str(caught.value)) == (len(shape) == 3)
    with pytest.raises(BuildError, match="takes vectors"):
        space.estimate_macs(cell, shape, 2)


@pytest.mark.parametrize("name", ["nasbench201", "sanas", "cells"])
def test_image_cells_send_vectors_to_this_space(name):
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(0))
    with pytest.raises(BuildError, match="--space vector_cells") as caught:
        space.build(architecture, (12,), 2)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def toy():
    return load_dataset("toy", seed=0)


def part(split, rings):
    return split.take((split.labels >= 2) == rings)


def accuracy(toy, operations, *, train, check, seeds=3):
    """Mean validation accuracy on one region of networks trained on `train`, 30 epochs."""
    normaliser, recipe = Normaliser.fit(toy.train), Recipe(epochs=30)
    space, cell = chain(*operations)
    right = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = space.build(cell, (2,), 4)
        fit(model, cross_entropy_objective(model, recipe), train, normaliser, recipe, seed=seed)
        logits = predict_logits(model, check.inputs, normaliser)
        right.append((logits.argmax(1) == check.labels).float().mean().item())
    return sum(right) / seeds


@pytest.mark.parametrize("operations", [("rbf", "linear"), ("square", "linear"), ("rbf",)])
def test_radial_experts_tell_the_rings_apart(toy, operations):
    """About .95, and the noise of the rings allows no more."""
    rings = part(toy.validation, True)
    assert accuracy(toy, operations, train=part(toy.train, True), check=rings) > 0.9


def test_a_linear_expert_is_right_on_the_cloud_and_lost_on_the_rings(toy):
    cloud, rings = part(toy.validation, False), part(toy.validation, True)
    linear = ("linear",)
    assert accuracy(toy, linear, train=part(toy.train, False), check=cloud) > 0.95
    assert accuracy(toy, linear, train=part(toy.train, True), check=rings) < 0.75


def test_one_radial_network_finds_the_rings_among_everything(toy):
    rings = part(toy.validation, True)
    assert accuracy(toy, ("rbf", "linear"), train=toy.train, check=rings) > 0.85
