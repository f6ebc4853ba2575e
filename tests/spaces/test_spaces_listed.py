"""A list of architectures is a space like any other, and never gives what is not on it."""

import numpy as np
import pytest

from moesaic.errors import InputError
from moesaic.spaces import ListedSpace, SearchSpace, get_space
from moesaic.testing import SearchSpaceContract

CELLS = get_space("nasbench201", widths=(4, 6))


def listed(count=60):
    rng = np.random.default_rng(0)
    return [CELLS.sample(rng) for _ in range(count)]


class TestListedSpace(SearchSpaceContract):
    draws = 4

    def make_space(self) -> SearchSpace:
        first = listed(1)[0]
        return ListedSpace(CELLS, [first, *CELLS.neighbours(first, np.random.default_rng(1))])


def test_draws_and_neighbours_are_on_the_list():
    space = ListedSpace(CELLS, listed())
    keys = {one.key for one in listed()}
    rng = np.random.default_rng(2)
    assert {space.sample(rng).key for _ in range(500)} <= keys
    assert {one.key for one in space.members()} == keys
    for one in listed():
        found = {other.key for other in space.neighbours(one, rng)}
        every = {other.key for other in CELLS.neighbours(one, rng)}
        assert found == every & keys
        assert np.array_equal(space.features(one), CELLS.features(one))
        assert space.describe(one) == CELLS.describe(one)


def test_the_members_of_a_cell_space_are_alive_and_different():
    space = get_space("cells", vertices=3, widths=(4,))
    members = list(space.members())
    assert len({one.key for one in members}) == len(members)
    assert all(space.is_alive(one) for one in members)
    assert {one.key for one in members} == {
        one.key for one in space.enumerate() if space.is_alive(one)
    }


def test_an_empty_list_is_refused():
    with pytest.raises(InputError, match="at least one"):
        ListedSpace(CELLS, [])
