"""Spaces in several sizes: the contract, what a size changes, and how strata are covered."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import BuildError, InputError
from moesaic.spaces import SearchSpace, SizedSpace, get_space
from moesaic.strategies import get_strategy
from moesaic.testing import SearchSpaceContract
from moesaic.training import count_macs


class TestSizedSpace(SearchSpaceContract):
    draws = 4

    def make_space(self) -> SearchSpace:
        return SizedSpace(get_space("nasbench201", widths=(4, 6)), (0.5, 1.0), (1, 2))


class TestStrides(SearchSpaceContract):
    draws = 4

    def make_space(self) -> SearchSpace:
        return SizedSpace(get_space("nasbench201", widths=(4, 6)), (0.5, 1.0), (), (1, 2))


@pytest.fixture
def space() -> SizedSpace:
    return SizedSpace(get_space("nasbench201", widths=(8, 16)))


def test_all_sizes_are_drawn_and_each_costs_about_twice_the_last(space):
    rng = np.random.default_rng(0)
    drawn = Counter(space.widths(space.sample(rng)) for _ in range(300))
    assert sorted(drawn) == [(3, 6), (4, 8), (6, 11), (8, 16), (11, 22)]
    assert min(drawn.values()) > 30
    cell = get_space("nasbench201", widths=(8, 16)).parse(
        "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
    )
    shape = (3, 16, 16)
    costs = [
        count_macs(space.build(space.resize(cell, w), shape, 10), shape) for w in sorted(drawn)
    ]
    ratios = [after / before for before, after in pairwise(costs)]
    assert all(1.5 < ratio < 2.6 for ratio in ratios)


def test_neighbours_change_the_cell_or_the_size_and_never_both(space):
    rng = np.random.default_rng(1)
    drawn = space.sample(rng)
    found = space.neighbours(drawn, rng)
    cell = space.describe(drawn).split(" [")[0]
    resized = [one for one in found if space.widths(one) != space.widths(drawn)]
    assert len(resized) == 4
    assert all(space.describe(one).split(" [")[0] == cell for one in resized)
    assert len(found) > 4


def test_a_surrogate_sees_the_size(space):
    drawn = space.sample(np.random.default_rng(2))
    vectors = [space.features(space.resize(drawn, widths)) for widths in ((3, 6), (8, 16))]
    names = get_space("nasbench201").feature_names
    changed = {name for name, a, b in zip(names, *vectors, strict=True) if a != b}
    assert changed >= {"log MACs", "log width"}
    deep = get_space("nasbench201").repeat(drawn, 3)
    assert dict(zip(names, space.features(deep), strict=True))["log cells"] == np.log(3 * 2)


def test_few_draws_cover_every_size_and_every_inner_stratum(space):
    strategy = get_strategy("joint", space, 1, [1.0], 0)
    proposals = strategy.ask(10)
    sizes = Counter(space.widths(proposal.architecture) for proposal in proposals)
    assert sorted(sizes.values()) == [2, 2, 2, 2, 2]
    inner = Counter(space.inner.stratum(proposal.architecture) for proposal in proposals)
    assert len(inner) >= 6
    assert max(inner.values()) <= 2


def test_depths_multiply_the_space_and_are_built():
    inner = get_space("nasbench201", widths=(4, 6))
    space = SizedSpace(inner, (1.0,), (1, 3))
    assert space.size == 2 * inner.size
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(20)]
    assert {space.stratum(one).split("/")[1] for one in drawn} == {"x1 of 1", "x1 of 3"}
    deep = next(one for one in drawn if "of 3" in space.stratum(one))
    assert len(space.build(deep, (1, 8, 8), 2).stages) == 7  # three cells, a reduction, three


def test_sizes_that_round_to_the_same_channels_count_once():
    inner = get_space("nasbench201", widths=(2, 3))
    assert SizedSpace(inner, (0.9, 1.0, 1.1)).size == inner.size


@pytest.mark.parametrize(
    ("widths", "depths", "words"),
    [
        ((), (), "at least one factor"),
        ((1.0, 1.0), (), "distinct"),
        ((0.0, 1.0), (), "above 0"),
        ((1.0,), (2, 2), "depth_choices must be distinct"),
    ],
)
def test_choices_that_make_no_sense_are_refused(widths, depths, words):
    with pytest.raises(InputError, match=words):
        SizedSpace(get_space("nasbench201"), widths, depths)


CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def test_behind_a_stride_what_costs_as_much_is_on_offer():
    """Without choices given, the dearest of every stride cost alike, and given ones are kept."""
    inner = get_space("nasbench201", widths=(8, 16, 32))
    space = SizedSpace(inner, None, (), (1, 2, 4))
    cell = inner.parse(CELL)
    found: dict[str, list[int]] = {}
    for sized in space.sizes(cell):
        name = space.stratum(sized).split("/")[1].partition(" ")[2]
        cost = space.estimate_macs(sized, (3, 32, 32), 10)
        found.setdefault(name, []).append(cost)
    assert {name: len(costs) for name, costs in found.items()} == {
        "": 5,
        "stride 2": 7,
        "stride 4": 9,
    }
    most = [max(costs) for costs in found.values()]
    assert max(most) / min(most) < 1.25
    assert space.size == 21 * inner.size
    given = SizedSpace(inner, (0.5, 1.0), (), (1, 2))
    assert {inner.widths(one) for one in given.sizes(cell)} == {(4, 8, 16), (8, 16, 32)}


def test_strides_multiply_the_space_and_halve_the_resolution_of_all_that_follows():
    inner = get_space("nasbench201", widths=(4, 6))
    space = SizedSpace(inner, (1.0,), (), (1, 2))
    assert space.size == 2 * inner.size
    plain = inner.parse(CELL)
    half = inner.parse(CELL + " [4-6 x1 /2]")
    assert half == inner.at_stride(plain, 2)
    assert space.describe(half).endswith("[4-6 x1 /2]")
    assert {space.stratum(one).split("/")[1] for one in (plain, half)} == {"x1", "x1 stride 2"}
    shape = (3, 16, 16)
    nets = [space.build(one, shape, 10) for one in (plain, half)]
    images = torch.zeros(2, *shape)
    assert [net.stem(images).shape[-1] for net in nets] == [16, 8]
    costs = [count_macs(net, shape) for net in nets]
    assert costs == [space.estimate_macs(one, shape, 10) for one in (plain, half)]
    assert 3.9 < costs[0] / costs[1] < 4.1
    assert space.resize(half, (8, 12)) == inner.at_stride(inner.resize(plain, (8, 12)), 2)
    place = inner.feature_names.index("log MACs")
    assert inner.features(half)[place] < inner.features(plain)[place]


@given(side=st.integers(4, 19), stride=st.integers(1, 4), stages=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_what_a_stem_costs_is_what_is_counted(side, stride, stages):
    inner = get_space("nasbench201", widths=(2, 3, 4)[:stages])
    one = inner.at_stride(inner.parse(CELL), stride)
    shape = (1, side, side)
    if -(-side // stride) < 2:
        with pytest.raises(BuildError, match="stride_choices"):
            inner.build(one, shape, 3)
        return
    assert inner.estimate_macs(one, shape, 3) == count_macs(inner.build(one, shape, 3), shape)


def test_a_network_at_full_resolution_keeps_the_key_and_the_text_it_always_had():
    inner = get_space("nasbench201", widths=(4, 6))
    plain = inner.parse(CELL)
    assert inner.at_stride(inner.at_stride(plain, 2), 1) == plain
    assert "stride" not in plain.text
    assert inner.at_stride(plain, 2).key != plain.key


def test_strides_are_refused_where_there_is_no_stem():
    with pytest.raises(InputError, match="omit them for the space vector_cells"):
        SizedSpace(get_space("vector_cells"), (1.0,), (), (1, 2))
    with pytest.raises(InputError, match="stem_stride must be 1 or more"):
        get_space("nasbench201").at_stride(get_space("nasbench201").parse(CELL), 0)
    with pytest.raises(InputError, match="stride_choices must be distinct"):
        SizedSpace(get_space("nasbench201"), (1.0,), (), (2, 2))
