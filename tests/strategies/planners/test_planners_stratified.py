"""What the stratified planner guarantees, counted from its plans; and what nobody could."""

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.strategies.planners import StratifiedPlanner


def pool_of(families):
    return [f"f{index:02}" for index in range(families)]


def apart(plan, pool):
    """Return how far (family counts, pair counts) are apart after every candidate."""
    place = {name: index for index, name in enumerate(pool)}
    families = np.zeros(len(pool), dtype=int)
    pairs = np.zeros((len(pool), len(pool)), dtype=int)
    upper = np.triu_indices(len(pool), 1)
    found = []
    for candidate in plan:
        for name in candidate:
            families[place[name]] += 1
        for one, other in combinations(sorted(place[name] for name in candidate), 2):
            pairs[one, other] += 1
        met = pairs[upper]
        found.append((int(np.ptp(families)), int(np.ptp(met))))
    return found


def promised(families, experts):
    """Return how far pair counts may be apart, as the docstring says."""
    if experts == 2:
        return 1
    if families <= 12 and comb(families, experts) <= 500:
        return 4
    if experts <= 4 and families >= 17:
        return 2
    if experts <= 4 or families >= 4.5 * experts:
        return 3
    return 5


@cache
def measured(families, experts, count, seed=0):
    plan = StratifiedPlanner(pool_of(families), experts, seed).plan(count)
    assert len(set(plan)) == len(plan) == min(count, comb(families, experts))
    return apart(plan, pool_of(families))


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 60), st.integers(2, 8), st.integers(0, 10**6))
def test_every_prefix_is_even(families, experts, seed):
    if families < experts:
        return
    count = min(80, max(1, comb(families, experts) // 4))
    for of_families, of_pairs in measured(families, experts, count, seed):
        assert of_families <= 1
        assert of_pairs <= promised(families, experts)


@pytest.mark.parametrize(
    ("families", "experts"), [(29, 4), (20, 4), (40, 3), (60, 4), (24, 3), (17, 4)]
)
def test_pairs_stay_within_two_while_every_pair_is_met_several_times(families, experts):
    pairs = comb(families, 2)
    count = min(3 * pairs // comb(experts, 2), 250)
    assert max(of_pairs for _, of_pairs in measured(families, experts, count)) <= 2
    assert all(of_families <= 1 for of_families, _ in measured(families, experts, count))


@pytest.mark.slow
@pytest.mark.parametrize("families", range(5, 61))
@pytest.mark.parametrize("experts", range(2, 9))
def test_longer_prefixes_are_even(families, experts):
    if families < experts:
        return
    found = measured(families, experts, min(250, max(1, comb(families, experts) // 4)))
    assert max(of_pairs for _, of_pairs in found) <= promised(families, experts)
    assert max(of_families for of_families, _ in found) <= 1


@pytest.mark.parametrize(
    ("families", "experts"), [(29, 4), pytest.param(60, 8, marks=pytest.mark.slow)]
)
def test_the_plan_of_a_long_campaign(families, experts):
    found = measured(families, experts, 1140)
    assert max(of_families for of_families, _ in found) == 1
    assert max(of_pairs for _, of_pairs in found) <= promised(families, experts)


@pytest.mark.slow
@pytest.mark.parametrize(("families", "experts"), [(11, 5), (12, 8), (12, 5), (16, 4), (19, 3)])
def test_slower_spaces_are_even_until_they_are_used_up(families, experts):
    space = comb(families, experts)
    found = measured(families, experts, space)
    assert found[-1] == (0, 0)
    assert max(of_families for of_families, _ in found[: int(0.85 * space)]) <= 1
    assert max(of_families for of_families, _ in found) <= 2


@pytest.mark.parametrize(
    ("families", "experts"),
    [(n, k) for n in range(5, 12) for k in range(2, 9) if k <= n and comb(n, k) < 260] + [(12, 4)],
)
def test_a_small_space_is_even_until_it_is_used_up(families, experts):
    space = comb(families, experts)
    found = measured(families, experts, space)
    assert len(found) == space
    assert found[-1] == (0, 0)
    assert all(of_families <= 1 for of_families, _ in found[: int(0.85 * space)])
    assert max(of_families for of_families, _ in found) <= 2
    assert max(of_pairs for _, of_pairs in found) <= 4
    if experts == 2 or 2 * experts == families:
        assert max(of_families for of_families, _ in found) <= 1


@pytest.mark.parametrize(("families", "experts"), [(13, 2), (14, 2), (24, 2), (13, 3)])
def test_a_larger_space_is_even_until_it_is_used_up(families, experts):
    space = comb(families, experts)
    found = measured(families, experts, space)
    assert found[-1] == (0, 0)
    assert max(of_families for of_families, _ in found[: int(0.85 * space)]) <= 1
    assert max(of_families for of_families, _ in found) <= 2
    if experts == 2:
        assert max(found) == (1, 1)


def longest(families, experts, limit):
    """Return the length of the longest plan with family counts within one and pairs in `limit`.

    Exhaustive; families with the same history are the same to it.
    """
    candidates = list(combinations(range(families), experts))
    inner = [list(combinations(candidate, 2)) for candidate in candidates]
    counts = [0] * families
    met = dict.fromkeys(combinations(range(families), 2), 0)
    history = [()] * families
    used = set()
    best = 0

    def follow(length):
        nonlocal best
        best = max(best, length)
        if length == len(candidates):
            return True
        low = [family for family in range(families) if counts[family] == min(counts)]
        tried = set()
        for row, candidate in enumerate(candidates):
            kind = tuple(sorted(history[family] for family in candidate))
            fits = sum(family in low for family in candidate) == min(experts, len(low))
            if row in used or not fits or kind in tried:
                continue
            tried.add(kind)
            for pair in inner[row]:
                met[pair] += 1
            done = False
            if max(met.values()) - min(met.values()) <= limit:
                used.add(row)
                before = list(history)
                for family in range(families):
                    history[family] = (*history[family], family in candidate)
                for family in candidate:
                    counts[family] += 1
                done = follow(length + 1)
                for family in candidate:
                    counts[family] -= 1
                history[:] = before
                used.discard(row)
            for pair in inner[row]:
                met[pair] -= 1
            if done:
                return True
        return False

    follow(0)
    return best


@pytest.mark.parametrize(
    ("families", "experts", "possible"),
    [(5, 3, 10), (5, 4, 5), (6, 4, 15), (7, 3, 35), (7, 4, 35), (7, 5, 21), (8, 6, 28)],
)
def test_where_pairs_can_stay_within_two_to_the_end_they_do(families, experts, possible):
    assert longest(families, experts, 2) == possible == comb(families, experts)
    found = measured(families, experts, possible)
    assert max(of_pairs for _, of_pairs in found) <= 2
    assert max(of_families for of_families, _ in found) <= 1


@pytest.mark.parametrize(
    ("families", "experts", "possible"), [(6, 3, 8), (8, 4, 8), (8, 5, 6), (9, 7, 6)]
)
def test_where_they_cannot_three_is_kept_to_the_end(families, experts, possible):
    assert longest(families, experts, 2) == possible < comb(families, experts)
    found = measured(families, experts, comb(families, experts))
    assert max(of_pairs for _, of_pairs in found) == 3
    assert max(of_families for of_families, _ in found) <= 1


def test_five_of_ten_families_cannot_be_within_two_after_four_candidates():
    assert longest(10, 5, 2) == 4
    found = measured(10, 5, 252)
    assert max(of_pairs for _, of_pairs in found[:4]) <= 2
    assert max(of_pairs for _, of_pairs in found) == 4


def test_a_seed_only_says_which_family_plays_which_part():
    pool = pool_of(18)
    one = StratifiedPlanner(pool, 4, 0).plan(60)
    other = StratifiedPlanner(pool, 4, 1).plan(60)
    assert one != other
    assert apart(one, pool) == apart(other, pool)
    firsts = {StratifiedPlanner(pool, 4, seed).plan(1)[0] for seed in range(30)}
    assert len(firsts) > 25


def test_every_family_of_a_round_comes_once():
    plan = StratifiedPlanner(pool_of(20), 4, 5).plan(50)
    for start in range(0, 50, 5):
        assert sorted(sum(plan[start : start + 5], ())) == pool_of(20)
