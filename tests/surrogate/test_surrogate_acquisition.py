"""Expected gains against Monte-Carlo, and their invariances."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.surrogate import (
    ClusterGain,
    SelectionGain,
    expected_gain,
    expected_selection_gain,
    left_doubt,
    propose_batch,
)


def drawn(seed, rows=7, clusters=4):
    rng = np.random.default_rng(seed)
    mean, std = 0.5 + rng.random((rows, clusters)), 0.3 * rng.random((rows, clusters)) + 0.01
    return rng, mean, std, rng.random(clusters) + 0.1


def best_of(table, share, experts):
    """Brute-force k-median objective."""
    return min(
        float(share @ table[list(chosen)].min(axis=0))
        for chosen in itertools.combinations(range(len(table)), experts)
    )


def test_the_closed_form_equals_monte_carlo():
    rng, mean, std, weight = drawn(0)
    incumbent = 0.6 + rng.random(4)
    share = weight / weight.sum()
    draws = mean + std * rng.standard_normal((200_000, *mean.shape))
    expected = (np.maximum(incumbent - draws, 0.0) @ share).mean(axis=0)
    assert expected_gain(mean, std, incumbent, weight) == pytest.approx(expected, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_gains_are_never_negative_and_do_not_depend_on_the_order(seed):
    rng, mean, std, weight = drawn(seed)
    incumbent, chosen = 0.5 + rng.random(4), 0.5 + rng.random((2, 4))
    order = rng.permutation(len(mean))
    plain = expected_gain(mean, std, incumbent, weight)
    assert np.all(plain >= 0)
    assert expected_gain(mean[order], std[order], incumbent, weight) == pytest.approx(plain[order])
    some = [
        expected_selection_gain(m, s, chosen, weight, np.random.default_rng(1))
        for m, s in ((mean, std), (mean[order], std[order]))
    ]
    assert np.all(some[0] >= 0)
    assert some[1] == pytest.approx(some[0][order])


def test_without_doubt_the_gain_is_the_difference():
    mean = np.array([[0.4, 2.0], [3.0, 3.0]])
    gain = expected_gain(mean, np.zeros((2, 2)), [1.0, 1.0], [3.0, 1.0])
    assert gain == pytest.approx([0.45, 0.0])


def test_more_doubt_is_never_worth_less():
    _, mean, std, weight = drawn(3)
    small = expected_gain(mean, std, np.full(4, 0.8), weight)
    assert np.all(expected_gain(mean, 2 * std, np.full(4, 0.8), weight) >= small)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_without_doubt_the_selection_gain_is_that_of_the_best_swap(seed, experts):
    """With K experts in the bank, choosing K of K + 1 anew is the best swap."""
    rng, mean, _, weight = drawn(seed)
    chosen = 0.5 + rng.random((experts, 4))
    share = weight / weight.sum()
    gain = expected_selection_gain(mean, np.zeros_like(mean), chosen, weight, rng, draws=2)
    now = best_of(chosen, share, experts)
    then = [best_of(np.vstack([chosen, row]), share, experts) for row in mean]
    assert gain == pytest.approx(now - np.array(then), abs=1e-12)


def test_the_selection_gain_equals_monte_carlo():
    rng, mean, std, weight = drawn(5, rows=3)
    chosen = 0.7 + 0.5 * rng.random((2, 4))
    share = weight / weight.sum()
    now = best_of(chosen, share, 2)
    draws = np.maximum(mean + std * rng.standard_normal((4000, *mean.shape)), 0.0)
    expected = [
        np.mean([now - best_of(np.vstack([chosen, row]), share, 2) for row in draws[:, place]])
        for place in range(3)
    ]
    found = expected_selection_gain(mean, std, chosen, weight, rng, draws=4000)
    assert found == pytest.approx(expected, abs=6e-3)


def test_an_unused_expert_is_replaced_for_free():
    chosen = np.array([[0.5, 0.5], [9.0, 9.0]])
    mean = np.array([[0.1, 9.0]])
    gain = expected_selection_gain(mean, np.zeros((1, 2)), chosen, [1, 1], np.random.default_rng(0))
    assert gain == pytest.approx([0.2])


def test_a_batch_does_not_ask_for_the_same_thing_twice():
    """Two candidates promise cluster 0, one a smaller gain on cluster 1: one of each is taken."""
    mean = np.array([[0.10, 1.0], [0.11, 1.0], [1.0, 0.40]])
    std = np.full((3, 2), 1e-3)
    for acquisition in (
        ClusterGain(np.array([0.6, 0.6]), np.ones(2)),
        SelectionGain(np.array([[0.6, 1.5], [1.5, 0.6]]), np.ones(2), seed=0),
    ):
        batch = propose_batch(acquisition, mean, std, 2)
        assert [row for row, _ in batch] == [0, 2]
        assert batch[0][1] > batch[1][1] > 0


def test_a_batch_is_at_most_all_candidates_each_once():
    _, mean, std, weight = drawn(1)
    batch = propose_batch(ClusterGain(np.ones(4), weight), mean, std, 100)
    assert sorted(row for row, _ in batch) == list(range(7))


def test_believing_never_raises_the_gain():
    rng, mean, std, weight = drawn(2)
    chosen = 0.5 + rng.random((4, 4))
    cluster = ClusterGain(chosen.min(axis=0), weight)
    assert np.all(cluster.believing(mean[0]).gain(mean, std) <= cluster.gain(mean, std) + 1e-12)
    assert np.all(SelectionGain(chosen, weight, 0).believing(mean[0]).gain(mean, std) >= 0.0)


@pytest.mark.parametrize(
    ("mean", "std", "weight"),
    [
        (np.ones((2, 3)), np.ones((2, 2)), np.ones(3)),
        (np.ones((2, 3)), -np.ones((2, 3)), np.ones(3)),
        (np.ones((2, 3)), np.ones((2, 3)), np.zeros(3)),
    ],
)
def test_bad_shapes_are_refused(mean, std, weight):
    with pytest.raises(InputError):
        expected_gain(mean, std, np.ones(3), weight)


def test_an_unserved_cluster_is_refused():
    with pytest.raises(InputError, match="unserved"):
        expected_selection_gain(
            np.ones((1, 2)), np.ones((1, 2)), [[1.0, np.nan]], [1, 1], np.random.default_rng(0)
        )


def test_a_choice_takes_away_doubt_about_what_is_like_it():
    """Three equal doubts, two of them about nearly the same: the batch asks about both."""
    mean, std = np.full((3, 2), 1.0), np.full((3, 2), 0.3)
    mean[0] -= 1e-3
    features = np.array([[0.0, 0.0], [0.05, 0.0], [3.0, 3.0]])
    gain = ClusterGain(np.full(2, 0.8), np.ones(2))
    assert [row for row, _ in propose_batch(gain, mean, std, 2)] == [0, 1]
    assert [row for row, _ in propose_batch(gain, mean, std, 2, features=features)] == [0, 2]


def test_the_doubt_that_is_left_is_that_of_a_gaussian_process():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((9, 5))
    left = left_doubt(features, features[4])
    squared = ((features - features[4]) ** 2).sum(axis=1)
    correlation = np.exp(-squared / (10 * 0.3**2))
    assert left == pytest.approx(np.sqrt(1 - correlation**2))
    assert left[4] == 0
    assert np.all((left >= 0) & (left <= 1))
    assert left_doubt(np.empty((3, 0)), np.empty(0)) == pytest.approx(0.0)


def test_the_gain_per_second_decides_where_seconds_are_given():
    mean, std = np.array([[0.5, 0.5], [0.4, 0.4]]), np.full((2, 2), 1e-3)
    gain = ClusterGain(np.ones(2), np.ones(2))
    assert propose_batch(gain, mean, std, 1)[0][0] == 1
    row, expected = propose_batch(gain, mean, std, 1, seconds=np.array([1.0, 2.0]))[0]
    assert row == 0
    assert expected == pytest.approx(0.5)
    with pytest.raises(InputError, match="positive seconds"):
        propose_batch(gain, mean, std, 1, seconds=np.zeros(2))
