"""The vector space: sizes, strings, keys, strata, features, cost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from moesaic.errors import BuildError, InputError
from moesaic.spaces import VectorCellSpace, get_space, match_macs, space_names
from moesaic.training import count_macs

OPERATIONS = ("none", "skip", "linear", "square", "shift", "rbf", "relu", "dropout")
ONE = "|rbf~0|+|linear~0|none~1|+|none~0|skip~1|square~2|"
TWO = "|linear~0|+|rbf~0|none~1|+|none~0|square~1|skip~2|"  # vertices 1 and 2 exchanged


def test_a_vector_space_is_had_by_name_with_the_operations_of_the_toy():
    space = get_space("vector_cells")
    assert isinstance(space, VectorCellSpace)
    assert "vector_cells" in space_names()
    assert space.size == len(OPERATIONS) ** 6
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(200)]
    assert {op for a in drawn for *_, op in space.graph(a)} == set(OPERATIONS) - {"none"}
    assert all(space.is_alive(a) and space.widths(a) == (16,) for a in drawn)


def test_every_encoding_of_a_small_space_is_enumerated():
    space = get_space("vector_cells", vertices=3)
    assert len({a.text for a in space.enumerate()}) == space.size == 512


@pytest.mark.parametrize("wiring", ["dense", "two_inputs"])
def test_parse_inverts_describe(wiring):
    space = get_space("vector_cells", wiring=wiring)
    rng = np.random.default_rng(1)
    for _ in range(40):
        architecture = space.sample(rng)
        resized = space.resize(architecture, (9,))
        assert space.parse(space.describe(architecture)).text == architecture.text
        assert space.parse(space.describe(resized)).text == resized.text
        assert space.describe(resized).endswith(" [9 x1]")


def test_isomorphic_cells_share_key_features_and_network():
    space = get_space("vector_cells")
    one, two = space.parse(ONE), space.parse(TWO)
    assert one == two
    assert one.text != two.text
    np.testing.assert_array_equal(space.features(one), space.features(two))
    x = torch.randn(4, 3)
    logits = []
    for architecture in (one, two):
        torch.manual_seed(0)
        logits.append(space.build(architecture, (3,), 2)(x))
    assert torch.equal(*logits)


def test_dead_edges_change_nothing_and_own_nothing():
    space = get_space("vector_cells", vertices=3)
    live = space.parse("|none~0|+|rbf~0|none~1|")
    dead = space.parse("|linear~0|+|rbf~0|none~1|")
    assert live == dead
    names = [name for name, _ in space.build(dead, (2,), 2).named_parameters()]
    assert sum("centres" in name for name in names) == 1
    with pytest.raises(BuildError, match="no live path"):
        space.build(space.parse("|linear~0|+|none~0|none~1|"), (2,), 2)


def test_no_vector_cell_has_the_key_of_an_image_cell():
    vectors = get_space("vector_cells", vertices=2, widths=(8,)).parse("|skip~0|")
    images = get_space("cells", vertices=2, widths=(8,)).parse("|skip_connect~0|")
    assert vectors != images


@pytest.mark.parametrize(
    ("cell", "stratum"),
    [
        ("|rbf~0|+|none~0|linear~1|", "radial-linear"),
        ("|square~0|+|none~0|relu~1|", "radial-relu"),
        ("|square~0|+|shift~0|skip~1|", "radial-plain"),
        ("|linear~0|+|relu~0|skip~1|", "flat-relu"),
        ("|linear~0|+|none~0|dropout~1|", "flat-linear"),
        ("|rbf~0|+|shift~0|none~1|", "flat-plain"),  # the rbf is dead
    ],
)
def test_strata_say_what_is_live(cell, stratum):
    space = get_space("vector_cells", vertices=3)
    assert space.stratum(space.parse(cell)) == stratum


def test_strata_are_few_and_all_drawn():
    space = get_space("vector_cells")
    rng = np.random.default_rng(0)
    assert len({space.stratum(space.sample(rng)) for _ in range(300)}) == 6


def test_features_are_named_and_say_what_they_count():
    space = get_space("vector_cells")
    cell = space.parse("|rbf~0|+|none~0|linear~1|+|skip~0|none~1|square~2|")
    value = dict(zip(space.feature_names, space.features(cell), strict=True))
    assert len(value) == len(space.feature_names)
    assert value["live edges"] == 4
    assert value["count rbf"] == value["count skip"] == 1
    assert value["paths linear + rbf + square"] == value["paths skip"] == 1
    assert value["bends on the longest"] == value["radial on the longest"] == 2
    assert value["bends a path"] == 1
    assert value["linear between bends"] == value["paths without a bend"] == 0.5
    assert value["direct edge"] == 1
    assert 0.99 < value["signal unchanged"] < 1  # the square of a small bump is smaller still
    assert value["signal without a bend"] == pytest.approx(value["signal unchanged"])
    assert len(get_space("vector_cells", vertices=8).feature_names) < 300


def test_features_are_finite_where_squares_pile_up():
    space = get_space("vector_cells", vertices=8)
    cell = "+".join(
        "|" + "".join(f"square~{source}|" for source in range(target)) for target in range(1, 8)
    )
    assert np.isfinite(space.features(space.parse(cell))).all()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 12), st.sampled_from([(5,), (3, 6)])
)
def test_the_estimate_is_what_torch_counts_rbf_included(seed, inputs, classes, widths):
    space = get_space("vector_cells", widths=widths, cells_per_stage=2)
    architecture = space.sample(np.random.default_rng(seed))
    model = space.build(architecture, (inputs,), classes).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, inputs))
    estimate = space.estimate_macs(architecture, (inputs,), classes)
    assert estimate == count_macs(model, (inputs,)) == counter.get_total_flops() // 2


def test_an_rbf_costs_what_a_linear_map_costs():
    space = get_space("vector_cells", vertices=2, widths=(12,))
    cost = {op: space.estimate_macs(space.parse(f"|{op}~0|"), (3,), 2) for op in OPERATIONS[1:]}
    assert cost["rbf"] == cost["linear"] == 12 * 12 + 12 * (3 + 2)
    assert all(cost[op] == 12 * (3 + 2) for op in set(cost) - {"rbf", "linear"})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(2, 10), st.floats(1.0, 3.0))
def test_widths_are_matched_within_tolerance_from_twelve_on(seed, inputs, classes, factor):
    space = get_space("vector_cells", widths=(16, 24))
    architecture = space.sample(np.random.default_rng(seed))
    target = int(space.estimate_macs(architecture, (inputs,), classes) * factor)
    matched = match_macs(space, architecture, target, (inputs,), classes, count_macs)
    assert min(space.widths(matched)) >= 12
    assert space.graph(matched) == space.graph(architecture)
    actual = count_macs(space.build(matched, (inputs,), classes), (inputs,))
    assert abs(actual / target - 1) <= 0.05


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.floats(0.8, 3.0))
def test_a_single_width_is_matched_to_half_a_step(seed, inputs, factor):
    """One whole number decides: MACs grow by up to 2 / W a step, half of that is left."""
    space = get_space("vector_cells")
    architecture = space.sample(np.random.default_rng(seed))
    target = int(space.estimate_macs(architecture, (inputs,), 4) * factor)
    matched = match_macs(space, architecture, target, (inputs,), 4, count_macs, tolerance=0.1)
    (width,) = space.widths(matched)

    def distance(width):
        other = space.resize(architecture, (width,))
        return abs(space.estimate_macs(other, (inputs,), 4) - target)

    assert distance(width) <= max(0.001 * target, min(distance(width - 1), distance(width + 1)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vertices": 9}, "2 to 8"),
        ({"operations": ("none", "nor_conv_1x1")}, "unknown operation"),
        ({"operations": ("none", "squar")}, "did you mean square"),
        ({"widths": (0,)}, "widths"),
        ({"cells_per_stage": 0}, "cells_per_stage"),
        ({"depth": 3}, "takes the options vertices"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        get_space("vector_cells", **options)
