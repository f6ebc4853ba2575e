"""Coverage is counted exactly."""

import json
from itertools import combinations
from math import comb

import numpy as np
import pytest

from moesaic.errors import InputError
from moesaic.strategies.planners import AlphabeticalPlanner, RandomPlanner, coverage

POOL = ["d", "a", "c", "b", "e"]


def test_counts_against_counting_by_hand():
    found = coverage([("a", "b", "c"), ("c", "d", "a")], POOL, 3)
    assert (found.space, found.candidates, found.share) == (10, 2, 0.2)
    assert found.family_counts.tolist() == [1, 2, 2, 1, 0]
    assert (found.family_count_min, found.family_count_max, found.families_covered) == (0, 2, 4)
    pairs = {frozenset(pair): 0 for pair in combinations(POOL, 2)}
    for together in ("ab", "ac", "bc", "cd", "da", "ca"):
        pairs[frozenset(together)] += 1
    for one, other in combinations(range(5), 2):
        expected = pairs[frozenset((POOL[one], POOL[other]))]
        assert found.pair_counts[one, other] == found.pair_counts[other, one] == expected
    assert np.diagonal(found.pair_counts).tolist() == [0] * 5
    assert (found.pair_count_min, found.pair_count_max) == (0, 2)
    assert found.pairs_covered == 0.5


def test_a_repetition_counts_once_in_any_order():
    assert coverage([("a", "b"), ("b", "a"), ("a", "b")], POOL, 2).candidates == 1


def test_nothing_and_everything():
    nothing = coverage([], POOL, 2)
    assert (nothing.share, nothing.pairs_covered, nothing.families_covered) == (0, 0, 0)
    everything = coverage(combinations(POOL, 3), POOL, 3)
    assert (everything.share, everything.pairs_covered) == (1, 1)
    assert everything.family_count_min == everything.family_count_max == comb(4, 2)
    assert everything.pair_count_min == everything.pair_count_max == 3


def test_the_space_of_a_huge_pool_is_exact():
    pool = [f"f{index}" for index in range(60)]
    found = coverage(RandomPlanner(pool, 8, 0).plan(10), pool, 8)
    assert found.space == 2_558_620_845
    assert found.share == 10 / 2_558_620_845


def test_the_bias_of_the_alphabetical_order_shows():
    pool = [f"f{index:02}" for index in range(29)]
    found = coverage(AlphabeticalPlanner(pool, 4).plan(1140), pool, 4)
    assert found.family_counts[0] == found.family_count_max == 1140
    assert (found.family_count_min, found.pair_count_min, found.pair_count_max) == (83, 3, 351)
    assert round(100 * found.share, 1) == 4.8


def test_it_can_be_written_as_json():
    found = coverage([("a", "b", "c")], POOL, 3).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["family_counts"] == {"d": 0, "a": 1, "c": 1, "b": 1, "e": 0}
    names = {"space", "candidates", "share", "families_covered", "pairs_covered"}
    assert names | {f"{of}_count_{end}" for of in ("family", "pair") for end in ("min", "max")} <= {
        *found
    }


@pytest.mark.parametrize("wrong", [("a", "b"), ("a", "a", "b"), ("a", "b", "z")])
def test_what_is_no_candidate_is_refused(wrong):
    with pytest.raises(InputError, match="expected 3 different families"):
        coverage([wrong], POOL, 3)
