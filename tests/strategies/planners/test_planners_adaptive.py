"""The adaptive planner finds the good families, avoids those that fail, and keeps covering."""

from math import ceil

import numpy as np
import pytest

from moesaic.strategies.planners import AdaptivePlanner, StratifiedPlanner, Told, coverage
from moesaic.strategies.planners._effects import EffectsModel

POOL = [f"f{index:02}" for index in range(20)]
GOOD = set(POOL[3:9])


def measure(candidate, rng, failing=()):
    if set(candidate) & set(failing):
        return Told(candidate, None)
    worth = sum(0.05 if name in GOOD else -0.02 for name in candidate)
    return Told(candidate, 0.5 + worth + 0.01 * rng.standard_normal())


def play(count, size=12, seed=0, failing=()):
    rng = np.random.default_rng(seed)
    told = []
    planner = AdaptivePlanner(POOL, 4, seed)
    while len(told) < count:
        told += [measure(one, rng, failing) for one in planner.next(size, told)]
    return told


def test_it_begins_with_the_stratified_plan():
    assert AdaptivePlanner(POOL, 4, 2).next(10, ()) == StratifiedPlanner(POOL, 4, 2).plan(10)
    start = coverage([one.families for one in play(12)][:10], POOL, 4)
    assert start.family_count_min >= 2


def test_it_trains_better_mixtures_than_the_stratified_plan():
    rng = np.random.default_rng(0)
    told = play(96)
    plain = [measure(one, rng).accuracy for one in StratifiedPlanner(POOL, 4, 0).plan(96)]
    guided = [one.accuracy for place, one in enumerate(told) if place >= 12 and place % 3]
    assert np.mean(guided) > np.mean(plain) + 0.08
    assert max(one.accuracy for one in told) > 0.66


def test_a_third_of_the_plan_stays_stratified():
    told = [one.families for one in play(96)]
    for count in (12, 24, 60, 96):
        assert set(StratifiedPlanner(POOL, 4, 0).plan(ceil(count / 3))) <= set(told[:count])


def test_families_that_fail_are_avoided():
    failing = [POOL[4]]
    told = play(96, failing=failing)
    guided = [one.families for place, one in enumerate(told) if place >= 24 and place % 3]
    with_it = np.mean([POOL[4] in one for one in guided])
    with_good = np.mean([POOL[5] in one for one in guided])
    assert with_it < 0.1 < with_good


def test_too_little_known_is_stratified():
    planner = AdaptivePlanner(POOL, 4, 0)
    plan = StratifiedPlanner(POOL, 4, 0).plan(40)
    told = [Told(one, 0.5 if place < 2 else None) for place, one in enumerate(plan[:20])]
    assert planner.next(12, told) == plan[20:32]


def test_equal_accuracies_do_no_harm():
    told = [Told(one, 0.5) for one in StratifiedPlanner(POOL, 4, 0).plan(20)]
    assert len(set(AdaptivePlanner(POOL, 4, 0).next(12, told))) == 12


@pytest.mark.parametrize("seed", [0, 1])
def test_draws_have_the_mean_of_the_posterior(seed):
    """Against the posterior written out over family effects and pair terms."""
    rng = np.random.default_rng(seed)
    held = np.array([rng.permutation([1.0] * 3 + [0.0] * 4) for _ in range(25)])
    accuracy = 0.5 + held @ rng.normal(0, 0.1, 7) + 0.02 * rng.standard_normal(25)
    accuracy[[3, 8]] = np.nan
    model = EffectsModel(held, accuracy)
    draws = model.draw(4000, np.random.default_rng(5))
    worked = np.isfinite(accuracy)
    pairs = np.triu_indices(7, 1)
    inputs = np.hstack([held, held[:, pairs[0]] * held[:, pairs[1]]])[worked]
    prior = np.diag([model._scale**2] * 7 + [0.1 * model._scale**2] * len(pairs[0]))
    precision = np.linalg.inv(prior) + inputs.T @ inputs / model._noise**2
    covariance = np.linalg.inv(precision)
    target = accuracy[worked] - accuracy[worked].mean()
    mean = covariance @ inputs.T @ target / model._noise**2
    drawn = np.array([np.concatenate([one.family, one.pair[pairs]]) for one in draws])
    error = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 5 * error / np.sqrt(4000))
    assert np.allclose(drawn.std(axis=0), error, rtol=0.08)


def test_the_value_of_a_mixture_by_hand():
    held = np.array([[1.0, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 0]])
    effects = EffectsModel(held, np.array([0.6, 0.4, np.nan, 0.62])).draw(
        1, np.random.default_rng(0)
    )[0]
    members = np.array([[0, 1], [1, 2]])
    odds = np.array([(3 + 1.5) / 5, (2 + 1.5) / 5, (1 + 1.5) / 4]) / 0.75
    for row, (one, other) in enumerate(members):
        accuracy = effects.base + effects.family[one] + effects.family[other]
        accuracy += effects.pair[one, other]
        chance = min(1.0, 0.75 * odds[one] * odds[other])
        assert np.isclose(effects.value(members)[row], chance * max(accuracy - 0.4, 0.0))
