"""The small decisions of a run: how long to train, who is promoted, intervals, messages."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moesaic.bank import Observation, Trial
from moesaic.config import make_config
from moesaic.runs._epochs import saturated
from moesaic.runs._evidence import mean_interval, paired_interval, standard_error
from moesaic.runs._generalists import promote
from moesaic.runs._plan import trial_from_dict, trial_to_dict
from moesaic.runs._progress import Estimate, Watcher, expected_work
from moesaic.runs._result import Scores, difference, verdict
from moesaic.runs._session import SearchSession
from moesaic.spaces import get_space


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({12: 0.70, 24: 0.75, 48: 0.76, 96: 0.762}, 48),
        ({12: 0.70, 24: 0.704}, 12),
        ({12: 0.70, 24: 0.69}, 12),
        ({12: 0.5, 24: 0.6, 48: 0.7}, 48),
        ({5: 0.5}, 5),
    ],
)
def test_saturation_is_where_doubling_gains_less_than_half_a_point(
    scores: dict[int, float], chosen: int
) -> None:
    assert saturated(scores) == chosen


def observation(index: int, loss: list[float]) -> Observation:
    space = get_space("nasbench201", widths=(4,))
    architecture = space.sample(np.random.default_rng(index))
    trial = Trial(kind="expert", stage="rung-0", index=index, seed=index, architecture=architecture)
    return Observation(trial, np.array(loss), np.zeros(len(loss)), 1, 1, 1.0)


def test_promotion_keeps_the_specialist_of_a_small_cluster() -> None:
    bank = [observation(i, [1.0 + i / 10, 2.0]) for i in range(6)]
    bank.append(observation(6, [9.0, 0.1]))
    chosen = promote(bank, np.array([0.99, 0.01]), 2)
    assert bank[6] in chosen
    assert bank[0] in chosen


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 10_000))
def test_promotion_returns_distinct_observations(keep: int, clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bank = [observation(i, list(rng.random(clusters))) for i in range(8)]
    chosen = promote(bank, np.full(clusters, 1 / clusters), keep)
    assert len({id(o) for o in chosen}) == len(chosen) == min(keep, 8)


def test_a_trial_survives_its_journey_to_a_worker() -> None:
    first = observation(3, [1.0]).trial
    assert trial_from_dict(trial_to_dict(first)).key == first.key


def test_one_repeat_gives_the_students_interval_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(200), rng.random(200)
    found, expected = paired_interval([first], [second]), mean_interval(first - second)
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        images = rng.normal(0, 1, 150)  # what an image adds, the same for every seed
        pairs = [0.3 + rng.normal(0, 0.1) + images + rng.normal(0, 1, 150) for _ in range(3)]
        low, high = paired_interval(pairs, [np.zeros(150)] * 3)[1:]
        covered += low <= 0.3 <= high
    assert covered >= 270


@pytest.mark.parametrize("count", [1, 2, 4, 50])
def test_differences_that_are_all_the_same_prove_little_where_they_are_few(count: int) -> None:
    low, high = paired_interval([np.ones(count)], [np.zeros(count)])[1:]
    # a share p of unseen samples that differ the other way leaves 1 - 2 p of the gain
    hidden = (1 - low) / 2
    assert (1 - hidden) ** count == pytest.approx(0.05)
    assert high - 1 == pytest.approx(1 - low)
    assert (low > 0) == (count > 4)
    error = standard_error([np.ones(count)], [np.zeros(count)])
    assert error == pytest.approx((1 - low) / 1.959964)
    assert paired_interval([np.ones(count)], [np.ones(count)]) == (0, 0, 0)


def right(accuracy: float, seed: int, count: int = 2000) -> np.ndarray:
    return (np.random.default_rng(seed).random(count) < accuracy).astype(float)


def test_a_clear_gain_is_worth_it_and_handed_over() -> None:
    single, mixture = {0: right(0.6, 1)}, {0: right(0.8, 2)}
    scores = Scores({"single": single, "mixture": mixture}, {"single": single, "mixture": mixture})
    found = verdict(scores)
    assert found["worth"]
    assert found["handed_over"] == "mixture"
    assert "worth it" in found["sentence"]


def test_the_standard_error_is_of_samples_and_repeats() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random(200), rng.random(200)
    alone = (first - second).std(ddof=1) / np.sqrt(200)
    assert standard_error([first], [second]) == pytest.approx(alone)
    shifted = standard_error([first, first + 0.1], [second, second])
    assert shifted == pytest.approx(np.sqrt(alone**2 + 0.1**2 / 4))


def test_few_repeats_do_not_raise_the_bar() -> None:
    """Student's interval of two repeats is many standard errors wide; the rule asks for one."""
    single = {0: right(0.8, 1), 1: right(0.8, 2)}
    mixture = {}
    for repeat, better in ((0, 40), (1, 80)):
        mixture[repeat] = single[repeat].copy()
        mixture[repeat][np.flatnonzero(single[repeat] == 0)[:better]] = 1
    both = {"single": single, "mixture": mixture}
    gain = difference(both, "mixture", "single")
    assert gain is not None
    assert gain.low < 0 < gain.mean < (gain.high - gain.low) / 4
    assert verdict(Scores(both, both))["handed_over"] == "mixture"


def test_a_tie_hands_over_the_single_network() -> None:
    both = {"single": {0: right(0.8, 1)}, "mixture": {0: right(0.8, 1)}}
    found = verdict(Scores(both, both))
    assert not found["worth"]
    assert found["handed_over"] == "single"
    assert "not worth it" in found["sentence"]


def test_a_gain_within_the_noise_hands_over_the_single_network() -> None:
    single = right(0.8, 1)
    mixture = single.copy()
    mixture[np.flatnonzero(single == 0)[:40]] = 1
    mixture[np.flatnonzero(single == 1)[:39]] = 0  # one sample better, 79 changed
    both = {"single": {0: single}, "mixture": {0: mixture}}
    assert verdict(Scores(both, both))["handed_over"] == "single"


def test_the_test_split_has_no_say_in_what_is_handed_over() -> None:
    behind = {"single": {0: right(0.8, 1)}, "mixture": {0: right(0.7, 2)}}
    ahead = {"single": {0: right(0.6, 1)}, "mixture": {0: right(0.9, 2)}}
    assert verdict(Scores(behind, ahead))["handed_over"] == "single"
    assert not verdict(Scores(behind, ahead))["worth"]
    # a proven gain on test is never called "no gain is proven": validation did not see it
    assert "is open" in verdict(Scores(behind, ahead))["sentence"]
    assert verdict(Scores(ahead, behind))["handed_over"] == "mixture"
    assert not verdict(Scores(ahead, behind))["worth"]
    assert "not worth it" in verdict(Scores(ahead, behind))["sentence"]


def test_differences_pair_the_same_repeats() -> None:
    first = {0: np.zeros(50), 1: np.ones(50)}
    second = {1: np.ones(50), 2: np.zeros(50)}
    found = difference({"a": first, "b": second}, "a", "b")
    assert found is not None
    assert found.mean == 0
    assert difference({"a": first}, "a", "b") is None


def test_the_estimate_falls_as_work_is_done() -> None:
    config = make_config({})
    estimate = Estimate(total=expected_work(config, 2, 2))
    assert estimate.seconds_left() is None
    estimate.finish(10, paid_now=True)
    first = estimate.seconds_left()
    estimate.finish(estimate.total - 10, paid_now=False)
    assert first is not None
    assert first > 0
    assert estimate.seconds_left() == 0
    before = estimate.total
    estimate.expect(20)  # whatever was expected before
    assert estimate.total == before + 20


def test_no_more_time_is_left_than_a_budget_has() -> None:
    estimate = Estimate(total=1e9)
    session = SearchSession(
        folder=cast("Any", None),
        config=make_config({"budget": "3m"}),
        bank=cast("Any", None),
        executor=cast("Any", None),
        watcher=Watcher(),
        estimate=estimate,
    )
    assert session.seconds_left() is None
    estimate.started -= 10
    estimate.finish(1, paid_now=True)  # the other 999,999,999 take ten seconds each
    left = session.seconds_left()
    assert left is not None
    assert 100 < left <= 180
    session.started -= 200  # the budget is spent: what is still to do is told again
    left = session.seconds_left()
    assert left is not None
    assert left > 1e9


def test_random_experts_are_different_and_of_the_experts_cost() -> None:
    from moesaic.config import Recipe
    from moesaic.runs._variants import Design, gate_macs, random_experts
    from moesaic.training import count_macs

    space = get_space("nasbench201", widths=(8, 16))
    best = space.sample(np.random.default_rng(0))
    shape, target = (3, 16, 16), 700_000
    design = Design(
        make_config({}), space, shape, 10, 0, (best, best), (0, 1), target, best, best, Recipe()
    )
    experts = random_experts(design, 0)
    assert len({expert.key for expert in experts}) == 2
    assert experts == random_experts(design, 0) != random_experts(design, 1)
    for expert in experts:
        macs = count_macs(space.build(expert, shape, 10), shape)
        assert macs + gate_macs(shape, 2) == pytest.approx(target, rel=0.05)


def test_a_cluster_without_validation_samples_weighs_nothing() -> None:
    from moesaic.runs._structure import cluster_weight
    from moesaic.structure import Partition

    partition = Partition(np.array([0, 0, 1, 2]), np.array([0, 1]), 3)
    assert cluster_weight(partition) == pytest.approx([2 / 3, 1 / 3, 0])


def test_decomposed_needs_a_number_of_experts() -> None:
    from moesaic.errors import InputError

    with pytest.raises(InputError, match="joint"):
        make_config({"experts": "auto", "strategy": "decomposed"})


def test_the_sentence_names_the_mixture_where_it_is_not_the_searched_one() -> None:
    poor, fair, good = ({0: right(accuracy, 1)} for accuracy in (0.5, 0.6, 0.8))
    scores = {"single": poor, "mixture": fair, "homogeneous": good}
    found = verdict(Scores(scores, scores))
    assert found["mixture"] == found["handed_over"] == "homogeneous"
    assert found["sentence"].startswith("A mixture (homogeneous) is worth it")
