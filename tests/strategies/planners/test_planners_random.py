"""The random planner is uniform without replacement; the alphabetical one is what it is."""

from itertools import combinations, islice
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from moesaic.strategies.planners import AlphabeticalPlanner, RandomPlanner
from moesaic.strategies.planners._random import unrank

POOL = [f"f{index:02}" for index in range(8)]


@pytest.mark.parametrize(("families", "experts"), [(5, 2), (7, 3), (9, 8), (6, 6)])
def test_unrank_counts_through_all_combinations_in_order(families, experts):
    ranked = [unrank(rank, families, experts) for rank in range(comb(families, experts))]
    assert ranked == list(combinations(range(families), experts))


@given(st.integers(0, comb(60, 8) - 1))
def test_unrank_in_a_huge_space(rank):
    members = unrank(rank, 60, 8)
    before = sum(
        comb(60 - lower - 1, 8 - place - 1)
        for place, member in enumerate(members)
        for lower in range(members[place - 1] + 1 if place else 0, member)
    )
    assert list(members) == sorted(set(members))
    assert before == rank


def test_draws_are_uniform_at_every_place():
    plans = [RandomPlanner(POOL[:5], 2, seed).plan(10) for seed in range(2000)]
    for place in (0, 4, 9):
        seen = [plan[place] for plan in plans]
        counts = [seen.count(one) for one in combinations(POOL[:5], 2)]
        assert chisquare(counts).pvalue > 1e-4


def test_the_space_is_shuffled_not_sorted():
    plan = RandomPlanner(POOL, 4, 0).plan(70)
    assert sorted(plan) == list(combinations(POOL, 4)) != plan


def test_a_space_beyond_64_bits():
    pool = [f"f{index:04}" for index in range(3000)]
    assert comb(3000, 8) > 2**64
    assert len(set(RandomPlanner(pool, 8, 0).plan(50))) == 50


def test_alphabetical_is_the_order_of_itertools():
    pool = POOL[::-1]
    for seed in (0, 1):
        plan = AlphabeticalPlanner(pool, 3, seed).plan(30)
        assert plan == list(islice(combinations(POOL, 3), 30))
    assert all(POOL[0] in one for one in plan[: comb(7, 2)])
