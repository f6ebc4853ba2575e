"""cascade_front() and choose_thresholds(): equality with brute force, regions, prices."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import NEVER, cascade_front, choose_thresholds, stage_of


def brute_points(sure, good, macs, regions):
    """Every (MACs, error) over all thresholds of all regions, one sample at a time."""
    stages, count = sure.shape
    found = set()
    bounds = [
        itertools.product(
            *(sorted({0.0, NEVER, *sure[stage, regions == region]}) for stage in range(stages - 1))
        )
        for region in range(max(regions) + 1)
    ]
    for thresholds in itertools.product(*bounds):
        wrong, paid = 0, 0.0
        for sample in range(count):
            for stage in range(stages):
                paid += macs[stage, sample]
                last = stage == stages - 1
                if last or sure[stage, sample] >= thresholds[regions[sample]][stage]:
                    wrong += not good[stage, sample]
                    break
        found.add((paid / count, wrong / count))
    return found


def non_dominated(points):
    kept = []
    for point in sorted(points):
        if not kept or point[1] < kept[-1][1] - 1e-12:
            kept.append(point)
    return kept


@st.composite
def answers(draw, stages=(2, 3), regions=2, most=6):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, samples = draw(st.integers(*stages)), draw(st.integers(1, most))
    # few values, so that some are equal and cannot be parted
    steps = draw(st.sampled_from([3, 30]))
    sure = rng.choice(np.linspace(0.2, 1.0, steps), (count, samples))
    macs = np.array([1.0, 4.0, 9.0, 20.0])[:count, None] * rng.choice([1.0, 3.0], (count, samples))
    place = rng.integers(0, draw(st.integers(1, regions)), samples)
    return sure, rng.random(sure.shape) < 0.6, macs, place


@settings(max_examples=60, deadline=None)
@given(answers())
def test_the_front_is_that_of_brute_force(case):
    sure, good, macs, place = case
    found = cascade_front(sure, good, macs, place)
    expected = non_dominated(brute_points(*case))
    np.testing.assert_allclose([(one.macs, one.error) for one in found], expected, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(answers(most=60, regions=3, stages=(2, 4)), st.floats(0, 0.3))
def test_what_is_told_of_a_choice_is_what_its_thresholds_do(case, price):
    sure, good, macs, place = case
    found = choose_thresholds(sure, good, macs, price, place)
    stage, everyone = stage_of(sure, found.thresholds, place), np.arange(sure.shape[1])
    assert found.macs == pytest.approx(np.cumsum(macs, axis=0)[stage, everyone].mean())
    assert found.error == pytest.approx(1 - good[stage, everyone].mean())


@settings(max_examples=40, deadline=None)
@given(answers(most=30), st.sampled_from([0.0, 0.01, 0.05, 0.3]))
def test_no_point_of_the_front_loses_less_at_a_price(case, price):
    sure, good, macs, place = case
    found = choose_thresholds(sure, good, macs, price, place)
    front = cascade_front(sure, good, macs, place)
    least = min(point.error + price * point.macs for point in front)
    assert found.error + price * found.macs == pytest.approx(least)
    assert [point.macs for point in front] == sorted(point.macs for point in front)


def test_each_region_has_thresholds_of_its_own():
    sure = np.array([[0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.9, 0.9]])
    good = np.array([[False] * 4, [True] * 4])
    macs = np.array([[1.0] * 4, [2.0, 2.0, 50.0, 50.0]])
    found = choose_thresholds(sure, good, macs, 0.1, regions=[0, 0, 1, 1])
    assert found.thresholds.tolist() == [[NEVER], [0.0]]
    assert (found.macs, found.error) == (pytest.approx(2.0), pytest.approx(0.5))
    # the cheapest of all is on the front, however little the next stage costs somewhere
    assert cascade_front(sure, good, macs, [0, 0, 1, 1])[0].macs == pytest.approx(1.0)


def test_with_many_samples_it_stays_exact_in_two_stages_and_near_in_three():
    rng = np.random.default_rng(0)
    hard = rng.random(3_000)
    right = np.array([rng.random(3_000) > hard * share for share in (0.9, 0.6, 0.4)])
    sure = np.clip(1 - hard + 0.1 * rng.standard_normal((3, 3_000)), 0, 1)
    macs, everyone = np.array([[1.0], [3.0], [10.0]]), np.arange(3_000)
    two = cascade_front(sure[:2], right[:2], macs[:2])
    for limit in (1.5, 2.2, 3.1):
        errors = []
        for bound in [0.0, *sure[0], NEVER]:
            stage = (sure[0] < bound).astype(int)
            if np.cumsum(macs)[stage].mean() <= limit + 1e-9:
                errors.append(1 - right[stage, everyone].mean())
        within = [point.error for point in two if point.macs <= limit + 1e-9]
        assert within[-1] == pytest.approx(min(errors))
    found = choose_thresholds(sure, right, macs, 0.01)
    least = np.inf
    for first, second in itertools.product(
        *np.quantile(sure[:2], np.linspace(0, 1, 100), axis=1).T
    ):
        stage = stage_of(sure, [[first, second]], np.zeros(3_000, np.int64))
        lost = 1 - right[stage, everyone].mean()
        least = min(least, lost + 0.01 * np.cumsum(macs)[stage].mean())
    assert found.error + 0.01 * found.macs <= least + 0.002


def test_a_threshold_lies_between_what_it_parts():
    found = cascade_front([[0.9, 0.5], [0.9, 0.9]], [[True, False], [True, True]], [[1.0], [5.0]])
    assert found[-1].thresholds.tolist() == [[pytest.approx(0.7)]]
    near = [[0.5 + 1e-12, 0.5], [0.9, 0.9]]  # nearer than float32 can tell
    (bound,) = cascade_front(near, [[True, False], [True, True]], [[1.0], [5.0]])[-1].thresholds[0]
    assert near[0][1] < bound <= near[0][0]


def test_where_no_sample_was_seen_nothing_stops_early():
    sure, good = np.array([[0.9], [0.9], [0.9]]), np.ones((3, 1), bool)
    found = choose_thresholds(sure, good, [[1.0], [2.0], [3.0]], 0.1, regions=[1], count=3)
    assert found.thresholds.tolist() == [[NEVER, NEVER], [0.0, 0.0], [NEVER, NEVER]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"confidence": [[0.5]], "right": [[True]]}, "two to 4 stages"),
        ({"confidence": [[0.5]] * 5, "right": [[True]] * 5}, "two to 4 stages"),
        ({"right": [[True, False]]}, "right has shape"),
        ({"macs": [1.0, 2.0]}, "macs has shape"),
        ({"macs": [[1.0], [-2.0]]}, "macs must be finite, 0 or more"),
        ({"price": -1.0}, "price is -1.0"),
        ({"price": float("nan")}, "price is nan"),
        ({"regions": [0]}, "regions has shape"),
        ({"regions": [0, 2], "count": 2}, "2 regions, but a sample of region 2"),
        ({"confidence": [[0.5, np.nan], [0.5, 0.5]]}, "outside 0 to 1"),
        ({"confidence": [[-0.5, -0.1], [-0.5, -0.5]]}, "no logarithms"),
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
