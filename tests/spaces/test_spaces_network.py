"""The networks of cells: shapes, sizes, gradients, pruning, export, layout."""

import numpy as np
import pytest
import torch
from torch import nn

from moesaic.errors import BuildError
from moesaic.spaces import get_space
from moesaic.training._cost import count_parameters

PRESETS = ("nasbench201", "sanas")
ALL_CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+" + (
    "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def example(name, seed=0, **options):
    space = get_space(name, **{"widths": (4, 6, 8), **options})
    return space, space.sample(np.random.default_rng(seed))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [4, 8, 16, 28, 32, 33])
@pytest.mark.parametrize("channels", [1, 3])
def test_forward_and_backward_at_every_size(name, size, channels):
    space, architecture = example(name, seed=size)
    model = space.build(architecture, (channels, size, size), 7)
    logits = model(torch.randn(3, channels, size, size))
    assert logits.shape == (3, 7)
    nn.functional.cross_entropy(logits, torch.tensor([0, 3, 6])).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    with torch.no_grad():
        assert model.eval()(torch.randn(1, channels, size, size)).shape == (1, 7)


@pytest.mark.parametrize("shape", [(2, 9, 20), (5, 4, 31)])
def test_oblong_images_of_any_channels(shape):
    space, architecture = example("sanas")
    assert space.build(architecture, shape, 2)(torch.randn(2, *shape)).shape == (2, 2)


def test_small_maps_are_not_reduced_below_two_pixels():
    space, architecture = example("nasbench201", widths=(4, 4, 4, 4, 4))
    model = space.build(architecture, (1, 8, 8), 3)
    assert model.stages(model.stem(torch.randn(2, 1, 8, 8))).shape[2:] == (2, 2)


@pytest.mark.parametrize("shape", [(3, 3, 16), (16,), (3, 16), (0, 16, 16)])
def test_what_is_no_image_is_a_build_error(shape):
    space, architecture = example("nasbench201")
    with pytest.raises(BuildError, match="4 pixels"):
        space.build(architecture, shape, 2)


@pytest.mark.parametrize("name", PRESETS)
def test_a_state_dict_goes_round(name):
    space, architecture = example(name, seed=3)
    first = space.build(architecture, (3, 16, 16), 5)
    first(torch.randn(8, 3, 16, 16))  # moves the running statistics
    second = space.build(architecture, (3, 16, 16), 5)
    second.load_state_dict(first.state_dict())
    x = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(first.eval()(x), second.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize("name", PRESETS)
def test_the_exported_program_agrees_for_any_batch(name):
    space, architecture = example(name, seed=5, widths=(4, 6))
    model = space.build(architecture, (1, 9, 9), 3).eval()
    shapes = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(
        model, (torch.randn(3, 1, 9, 9),), dynamic_shapes=shapes, strict=False
    )
    for batch in (1, 6):
        x = torch.randn(batch, 1, 9, 9)
        torch.testing.assert_close(program.module()(x), model(x))


def test_channels_last_gives_the_same_logits():
    space, architecture = example("sanas", seed=1)
    model = space.build(architecture, (3, 16, 16), 4).eval()
    x = torch.randn(2, 3, 16, 16)
    expected = model(x)
    fast = model.to(memory_format=torch.channels_last)
    hidden = fast.stages(fast.stem(x.contiguous(memory_format=torch.channels_last)))
    assert hidden.is_contiguous(memory_format=torch.channels_last)
    actual = fast(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_dead_operations_have_no_parameters():
    space = get_space("nasbench201", widths=(4, 8))
    # vertex 2 leads nowhere: its two 3x3 convolutions are dead
    live = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
    dead = "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|none~0|skip_connect~1|none~2|"
    a, b = space.parse(live), space.parse(dead)
    assert a == b
    model = space.build(b, (3, 8, 8), 2)
    assert count_parameters(model) == count_parameters(space.build(a, (3, 8, 8), 2))
    kernels = [m.kernel_size for m in model.stages.modules() if isinstance(m, nn.Conv2d)]
    assert kernels.count((1, 1)) == 2 + 1  # one a cell, one in the reduction's shortcut
    assert kernels.count((3, 3)) == 2  # the reduction's
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_isomorphic_encodings_build_the_same_network_bit_for_bit():
    space = get_space("nasbench201", widths=(4,))
    one = "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"
    two = "|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
    x = torch.randn(2, 3, 8, 8)
    logits = []
    for text in (one, two):
        torch.manual_seed(0)
        logits.append(space.build(space.parse(text), (3, 8, 8), 2)(x))
    assert torch.equal(*logits)


def test_a_cell_sums_at_vertices_and_over_leaves():
    space = get_space("sanas", widths=(4,))
    # node 1: skip + max pool of the input; node 2: twice node 1; node 3: twice the input
    text = "|skip_connect~0|max_pool_3x3~0|+|skip_connect~1|skip_connect~1|+" + (
        "|skip_connect~0|skip_connect~0|"
    )
    cell = space.build(space.parse(text), (3, 8, 8), 2).stages[0]
    x = torch.randn(2, 4, 8, 8)
    expected = 2 * (x + nn.functional.max_pool2d(x, 3, 1, 1)) + 2 * x
    torch.testing.assert_close(cell(x), expected)


def test_the_layout_of_nasbench201_has_its_published_size():
    """All-3x3 cell, 5 a stage, widths 16-32-64, 10 classes: 1.531546 M parameters (paper's API)."""
    space = get_space("nasbench201", widths=(16, 32, 64), cells_per_stage=5)
    model = space.build(space.parse(ALL_CONV), (3, 32, 32), 10)
    assert count_parameters(model) == 1_531_546
