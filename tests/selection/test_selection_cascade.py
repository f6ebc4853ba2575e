"""choose_thresholds() and cascade_front(): equality with brute force, regions, prices."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import NEVER, cascade_front, choose_thresholds, stage_of


def brute_total(sure, good, macs, price):
    """The least loss over every threshold that parts the samples, one sample at a time."""
    stages, count = sure.shape
    bounds = [sorted({*sure[stage], NEVER}) for stage in range(stages - 1)]
    least = np.inf
    for thresholds in itertools.product(*bounds):
        total = 0.0
        for sample in range(count):
            for stage in range(stages):
                total += price * macs[stage]
                if stage == stages - 1 or sure[stage, sample] >= thresholds[stage]:
                    total += 0.0 if good[stage, sample] else 1.0
                    break
        least = min(least, total / count)
    return least


def total_of(point, price):
    return point.error + price * point.macs


@st.composite
def answers(draw, stages=(2, 3), most=9):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(*stages)), draw(st.integers(1, most))
    # few values, so that some are equal and cannot be parted
    sure = rng.choice(np.linspace(0.2, 1.0, draw(st.sampled_from([3, 30]))), shape)
    macs = np.array([1.0, 4.0, 9.0])[: shape[0]]
    return sure, rng.random(shape) < 0.6, macs, draw(st.sampled_from([0.0, 0.01, 0.05, 0.3]))


@settings(max_examples=80, deadline=None)
@given(answers())
def test_no_thresholds_lose_less_than_those_chosen(case):
    sure, good, macs, price = case
    found = choose_thresholds(sure, good, macs[:, None], price)
    assert total_of(found, price) == pytest.approx(brute_total(sure, good, macs, price))


@settings(max_examples=40, deadline=None)
@given(answers(), answers())
def test_each_region_is_solved_as_if_it_were_alone(one, other):
    stages = min(len(one[0]), len(other[0]))
    parts = [(sure[:stages], good[:stages]) for sure, good, _, _ in (one, other)]
    macs, price = np.array([[1.0], [4.0], [9.0]])[:stages], one[3]
    sure, good = (np.concatenate(pair, axis=1) for pair in zip(*parts, strict=True))
    regions = np.repeat([0, 1], [part[0].shape[1] for part in parts])
    both = choose_thresholds(sure, good, macs, price, regions)
    for region, part in enumerate(parts):
        alone = choose_thresholds(*part, macs, price)
        np.testing.assert_array_equal(both.thresholds[region], alone.thresholds[0])


@settings(max_examples=40, deadline=None)
@given(answers(most=60))
def test_what_is_told_of_a_choice_is_what_its_thresholds_do(case):
    sure, good, macs, price = case
    found = choose_thresholds(sure, good, macs[:, None], price)
    stage = stage_of(sure, found.thresholds, np.zeros(sure.shape[1], np.int64))
    assert found.macs == pytest.approx(np.cumsum(macs)[stage].mean())
    assert found.error == pytest.approx(np.mean([not good[s, n] for n, s in enumerate(stage)]))
    np.testing.assert_allclose(found.reached, [(stage >= s).mean() for s in range(len(sure))])


@settings(max_examples=40, deadline=None)
@given(answers(most=40))
def test_the_front_goes_from_cheap_to_right_and_holds_every_price(case):
    sure, good, macs, _ = case
    found = cascade_front(sure, good, macs[:, None])
    assert [point.macs for point in found] == sorted(point.macs for point in found)
    errors = [point.error for point in found]
    assert errors == sorted(errors, reverse=True)
    exact = choose_thresholds(sure, good, macs[:, None], 0.0)
    assert errors[-1] == pytest.approx(exact.error)
    # a price at which nothing is worth the next stage
    dear = choose_thresholds(sure, good, macs[:, None], 10.0)
    assert (found[0].macs, dear.macs) == (pytest.approx(macs[0]), pytest.approx(macs[0]))


def test_many_samples_of_three_stages_lose_hardly_more_than_the_best_of_a_fine_grid():
    rng = np.random.default_rng(0)
    hard = rng.random(2_000)
    right = np.array([rng.random(2_000) > hard * share for share in (0.9, 0.6, 0.4)])
    sure = np.clip(1 - hard + 0.1 * rng.standard_normal((3, 2_000)), 0, 1)
    macs, price = np.array([[1.0], [3.0], [10.0]]), 0.01
    found = choose_thresholds(sure, right, macs, price)
    grid = np.quantile(sure, np.linspace(0, 1, 200), axis=1).T
    least = np.inf
    for first in grid[0]:
        for second in grid[1]:
            stage = stage_of(sure, [[first, second]], np.zeros(2_000, np.int64))
            lost = 1 - right[stage, np.arange(2_000)].mean()
            least = min(least, lost + price * np.cumsum(macs)[stage].mean())
    assert total_of(found, price) <= least + 0.002


def test_a_cost_that_differs_between_samples_is_paid_where_it_arises():
    sure = np.array([[0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.9, 0.9]])
    good = np.array([[False] * 4, [True] * 4])
    macs = np.array([[1.0] * 4, [2.0, 2.0, 50.0, 50.0]])
    found = choose_thresholds(sure, good, macs, 0.1, regions=[0, 0, 1, 1])
    assert found.thresholds.tolist() == [[NEVER], [0.0]]
    assert found.macs == pytest.approx(2.0)
    assert found.error == pytest.approx(0.5)


def test_where_no_sample_was_seen_nothing_stops_early():
    sure, good = np.array([[0.9], [0.9], [0.9]]), np.ones((3, 1), bool)
    found = choose_thresholds(sure, good, [[1.0], [2.0], [3.0]], 0.1, regions=[1], count=3)
    assert found.thresholds.tolist() == [[NEVER, NEVER], [0.0, 0.0], [NEVER, NEVER]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"confidence": [[0.5]], "right": [[True]]}, "two stages or more"),
        ({"right": [[True, False]]}, "right has shape"),
        ({"macs": [1.0, 2.0]}, "macs has shape"),
        ({"price": -1.0}, "price is -1.0"),
        ({"price": float("nan")}, "price is nan"),
        ({"regions": [0]}, "regions has shape"),
        ({"regions": [0, 2], "count": 2}, "2 regions, but a sample of region 2"),
        ({"confidence": [[0.5, np.nan], [0.5, 0.5]]}, "must be finite"),
    ],
)
def test_bad_input_is_one_line(change, told):
    words = {
        "confidence": [[0.5, 0.6], [0.7, 0.8]],
        "right": [[True, False], [True, True]],
        "macs": [[1.0], [2.0]],
        "price": 0.0,
    }
    with pytest.raises(InputError, match=told):
        choose_thresholds(**{**words, **change})
