"""Matching widths to a cost, and the exact cost estimate behind it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import BuildError, InputError
from moesaic.spaces import CellSpace, get_space, match_macs
from moesaic.training._cost import count_macs

SHAPE = (3, 16, 16)


class Unestimated(CellSpace):
    """A space that leaves all counting to `macs`."""

    def estimate_macs(self, architecture, input_shape, classes):
        return None


@pytest.mark.parametrize("name", ["nasbench201", "sanas", "cells"])
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 33, 17)])
def test_the_estimate_is_exact(name, shape):
    space = get_space(name, widths=(3, 5, 6, 8), cells_per_stage=2)
    for seed in range(4):
        architecture = space.sample(np.random.default_rng(seed))
        model = space.build(architecture, shape, 7)
        assert space.estimate_macs(architecture, shape, 7) == count_macs(model, shape)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["nasbench201", "sanas"]), st.integers(0, 10**6), st.floats(0.5, 3.0))
def test_the_result_is_within_tolerance_and_the_same_cell(name, seed, factor):
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(seed))
    target = int(space.estimate_macs(architecture, SHAPE, 10) * factor)
    matched = match_macs(space, architecture, target, SHAPE, 10, count_macs)
    assert space.graph(matched) == space.graph(architecture)
    actual = count_macs(space.build(matched, SHAPE, 10), SHAPE)
    assert abs(actual / target - 1) <= 0.05


def test_no_single_step_of_the_widths_is_nearer():
    space = get_space("nasbench201")
    architecture = space.sample(np.random.default_rng(0))
    target = 3_000_000
    matched = match_macs(space, architecture, target, SHAPE, 10, count_macs)
    widths = space.widths(matched)

    def distance(widths):
        return abs(space.estimate_macs(space.resize(matched, widths), SHAPE, 10) / target - 1)

    for stage in range(3):
        for step in (-1, 1):
            moved = tuple(w + step * (s == stage) for s, w in enumerate(widths))
            assert distance(widths) <= max(distance(moved), 0.001)


def test_what_macs_counts_decides_also_when_the_estimate_is_off():
    space = get_space("sanas")
    architecture = space.sample(np.random.default_rng(1))

    def doubled(model, shape):
        return 2 * count_macs(model, shape)

    target = doubled(space.build(architecture, SHAPE, 10), SHAPE)
    matched = match_macs(space, architecture, target, SHAPE, 10, doubled)
    assert abs(doubled(space.build(matched, SHAPE, 10), SHAPE) / target - 1) <= 0.05


def test_a_space_without_an_estimate_is_matched_by_counting():
    space = Unestimated(widths=(4, 6))
    architecture = space.sample(np.random.default_rng(2))
    target = 2 * count_macs(space.build(architecture, SHAPE, 4), SHAPE)
    matched = match_macs(space, architecture, target, SHAPE, 4, count_macs)
    assert abs(count_macs(space.build(matched, SHAPE, 4), SHAPE) / target - 1) <= 0.05


def test_what_cannot_be_met_is_refused():
    space = get_space("nasbench201")
    architecture = space.sample(np.random.default_rng(0))
    with pytest.raises(InputError, match="within 5%"):
        match_macs(space, architecture, 100, SHAPE, 10, count_macs)
    with pytest.raises(InputError, match="positive"):
        match_macs(space, architecture, 0, SHAPE, 10, count_macs)
    with pytest.raises(BuildError, match="4 pixels"):
        match_macs(space, architecture, 1_000_000, (12,), 10, count_macs)


def test_matching_leaves_the_random_state_alone():
    space = get_space("nasbench201")
    architecture = space.sample(np.random.default_rng(0))
    before = torch.get_rng_state()
    match_macs(space, architecture, 2_000_000, SHAPE, 10, count_macs)
    assert torch.equal(before, torch.get_rng_state())
