"""Every built-in planner keeps the contract shipped for third parties."""

import pytest

from moesaic.errors import InputError
from moesaic.strategies import planners
from moesaic.strategies.planners import get_planner, planner_names
from moesaic.testing import PlannerContract


class TestAlphabetical(PlannerContract):
    def make_planner(self, pool, experts, seed):
        return get_planner("alphabetical", pool, experts, seed)


class TestRandom(PlannerContract):
    def make_planner(self, pool, experts, seed):
        return get_planner("random", pool, experts, seed)


class TestStratified(PlannerContract):
    def make_planner(self, pool, experts, seed):
        return get_planner("stratified", pool, experts, seed)


class TestAdaptive(PlannerContract):
    def make_planner(self, pool, experts, seed):
        return get_planner("adaptive", pool, experts, seed)


def test_names():
    assert {"adaptive", "alphabetical", "random", "stratified"} <= set(planner_names())
    with pytest.raises(InputError, match="did you mean stratified"):
        get_planner("stratifed", ["a", "b", "c"], 2)


@pytest.mark.parametrize("name", ["adaptive", "random", "stratified"])
def test_another_seed_plans_others(name):
    pool = [f"f{index}" for index in range(20)]
    assert get_planner(name, pool, 4, 0).plan(20) != get_planner(name, pool, 4, 1).plan(20)


@pytest.mark.parametrize(
    ("pool", "experts", "words"),
    [
        ("abc", 4, "3 families for mixtures of 4"),
        ("abca", 2, "names a more than once"),
        ("abc", 1, "1 experts in a mixture: expected 2 to 8"),
        ("abcdefghij", 9, "expected 2 to 8"),
    ],
)
def test_a_bad_pool_is_refused_in_one_line(pool, experts, words):
    with pytest.raises(InputError, match=words) as caught:
        get_planner("random", list(pool), experts)
    assert "\n" not in str(caught.value)


class Point:
    value = "somewhere:make"

    def __init__(self, name, made):
        self.name, self._made = name, made

    def load(self):
        return lambda pool, experts, seed: self._made


def test_installed_planners_are_found(monkeypatch):
    theirs = get_planner("random", ["a", "b", "c"], 2)
    registry = planners._registry
    points = [Point("theirs", theirs), Point("broken", "no planner")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    assert get_planner("theirs", ["a", "b", "c"], 2) is theirs
    assert "theirs" in planner_names()
    with pytest.raises(InputError, match="makes no Planner"):
        get_planner("broken", ["a", "b", "c"], 2)
