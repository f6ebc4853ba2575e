"""The ranked planner keeps the contract, with a ranking and without, and what comes behind it."""

from itertools import combinations

import pytest

from moesaic.errors import InputError
from moesaic.strategies.planners import RankedPlanner, Told, get_planner
from moesaic.testing import PlannerContract


class TestRanked(PlannerContract):
    def make_planner(self, pool, experts, seed):
        return get_planner("ranked", pool, experts, seed)


class TestRankedByATable(PlannerContract):
    def make_planner(self, pool, experts, seed):
        planner = RankedPlanner(pool, experts, seed)
        measured = sorted(pool)[: max(experts, len(pool) // 2)]
        order = [tuple(measured[:experts]), tuple(measured[-experts:])]
        planner.use_ranking(list(dict.fromkeys(order)), measured)
        return planner


def test_the_ranking_comes_first_and_unmeasured_families_last():
    pool, measured = "abcdef", "abde"
    order = [("b", "d"), ("a", "b")]
    planner = RankedPlanner(list(pool), 2)
    planner.use_ranking(order, measured)
    plan = planner.plan(100)
    assert plan[:2] == order
    known = set(combinations(measured, 2))
    assert set(plan[:6]) == known
    assert set(plan[6:]) == set(combinations(pool, 2)) - known
    told = [Told(one, None) for one in plan[:3]]
    assert planner.next(4, told) == plan[3:7]


def test_without_enough_measured_families_it_is_stratified():
    planner, stratified = RankedPlanner(list("abcdef"), 3), get_planner("stratified", "abcdef", 3)
    planner.use_ranking([], ["a", "b"])
    assert planner.plan(20) == stratified.plan(20)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([("a", "b", "c")], "expected 2 different"),
        ([("a", "a")], "expected 2 different"),
        ([("a", "d")], "measured"),
        ([("a", "b"), ("b", "a")], "twice"),
    ],
)
def test_a_ranking_of_something_else_is_refused(order, words):
    with pytest.raises(InputError, match=words):
        RankedPlanner(list("abcd"), 2).use_ranking(order, "abc")
