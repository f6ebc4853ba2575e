"""The figures of the theory: their bounds hold, and they are what they are said to be."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy, spearmanr

from moesaic.errors import InputError
from moesaic.selection import (
    best_objective,
    cluster_rank_correlation,
    joint_minus_decomposed,
    optimism,
    rises,
    routing_entropy,
    spearman,
    surrogate_step,
    value_of_heterogeneity,
)

seeds = st.integers(0, 10_000)
SOON = settings(max_examples=40, deadline=None)


def by_hand(loss, weight, experts):
    share = np.asarray(weight) / np.sum(weight)
    sets = combinations(range(len(loss)), experts)
    return min(float(loss[list(rows)].min(axis=0) @ share) for rows in sets)


@SOON
@given(seeds, st.integers(1, 4))
def test_a_growing_bank_never_gets_worse(seed, experts):
    rng = np.random.default_rng(seed)
    loss, weight = rng.random((9, 5)), rng.integers(1, 9, 5)
    path = [best_objective(loss[:rows], weight, experts) for rows in range(4, 10)]
    assert rises(path) == 0
    assert path[-1] == pytest.approx(by_hand(loss, weight, experts))


def test_rises_are_counted_above_the_tolerance():
    assert rises([1.0, 0.9, 0.9 + 1e-8, 0.8]) == 0
    assert rises([1.0, 1.1, 1.0, 1.2]) == 2
    assert rises([]) == rises([3.0]) == 0


@SOON
@given(seeds, st.integers(1, 4), st.floats(0.0, 2.0))
def test_the_bound_holds_whatever_the_surrogate_says(seed, experts, error):
    rng = np.random.default_rng(seed)
    bank, measured, weight = rng.random((6, 4)), rng.random((5, 4)), rng.integers(1, 9, 4)
    predicted = np.maximum(measured + error * rng.standard_normal((5, 4)), 0.0)
    step = surrogate_step(bank, predicted, measured, weight, experts)
    gaps = np.abs(predicted - measured)
    assert step.error_max == pytest.approx(gaps.max())
    assert step.error_mean == pytest.approx(gaps.mean())
    assert not step.breaks_bound
    # the incumbents are measured, so that one error is enough, and the bank loses nothing
    assert step.achieved <= step.before + step.error_max + 1e-9
    assert step.after <= min(step.before, step.achieved) + 1e-9
    assert abs(step.achieved - step.believed) <= step.error_max + 1e-9


def test_a_perfect_surrogate_is_believed_rightly():
    bank, found = np.array([[1.0, 1.0]]), np.array([[0.2, 3.0], [3.0, 0.1]])
    step = surrogate_step(bank, found, found, [1, 1], 2)
    assert step.believed == step.achieved == step.after == pytest.approx(0.15)
    assert step.before == pytest.approx(1.0)


def test_a_promise_that_is_not_kept_shows():
    bank, promised, found = [[1.0, 1.0]], [[0.0, 0.0]], [[1.5, 1.5]]
    step = surrogate_step(bank, promised, found, [1, 1], 1)
    assert (step.believed, step.achieved, step.after) == pytest.approx((0.0, 1.5, 1.0))
    assert not step.breaks_bound


def test_steps_leave_weightless_clusters_out_and_refuse_gaps():
    step = surrogate_step([[1.0, np.nan]], [[0.5, 7.0]], [[0.5, np.nan]], [1, 0], 1)
    assert step.error_max == 0.0
    with pytest.raises(InputError, match="finite on every cluster"):
        surrogate_step([[1.0, 1.0]], [[0.5, 0.5]], [[0.5, np.nan]], [1, 1], 1)


@SOON
@given(seeds)
def test_joint_is_between_the_decomposed_and_the_single_one(seed):
    rng = np.random.default_rng(seed)
    loss, weight = rng.random((7, 4)), rng.integers(1, 9, 4)
    gaps = [joint_minus_decomposed(loss, weight, experts) for experts in (1, 2, 3, 4)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] == pytest.approx(0.0, abs=1e-12)
    assert gaps[0] == pytest.approx(value_of_heterogeneity(loss, weight))
    share = weight / weight.sum()
    for experts in (2, 3):
        expected = by_hand(loss, weight, experts) - loss.min(axis=0) @ share
        assert gaps[experts - 1] == pytest.approx(expected, abs=1e-12)


@SOON
@given(seeds)
def test_equal_orders_leave_nothing_to_heterogeneity(seed):
    rng = np.random.default_rng(seed)
    merit = rng.permutation(8)
    columns = [np.sort(rng.random(8))[merit] for _ in range(4)]
    loss, weight = np.stack(columns, axis=1), rng.integers(1, 9, 4)
    assert cluster_rank_correlation(loss, weight) == pytest.approx(1.0)
    assert value_of_heterogeneity(loss, weight) == pytest.approx(0.0, abs=1e-12)


@SOON
@given(seeds)
def test_rank_correlation_is_scipys_over_pairs(seed):
    rng = np.random.default_rng(seed)
    loss = rng.integers(0, 5, (9, 3)).astype(float)  # with ties
    loss[0], loss[1] = 0.0, 9.0  # no column is constant
    pairs = [spearmanr(loss[:, i], loss[:, j]).statistic for i, j in combinations(range(3), 2)]
    assert cluster_rank_correlation(loss, [1, 2, 3]) == pytest.approx(np.mean(pairs))


def test_what_has_no_order_has_no_correlation():
    assert cluster_rank_correlation(np.ones((2, 3)), [1, 1, 1]) is None
    assert cluster_rank_correlation(np.ones((5, 3)), [1, 1, 1]) is None
    assert cluster_rank_correlation(np.eye(5)[:, :1], [1]) is None
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    gaps = np.random.default_rng(0).random((5, 2))
    gaps[0, 0] = np.nan
    expected = spearmanr(gaps[1:, 0], gaps[1:, 1]).statistic
    assert cluster_rank_correlation(gaps, [1, 1]) == pytest.approx(expected)


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=6).filter(lambda u: sum(u) > 1e-3))
def test_entropy_is_scipys(usage):
    assert routing_entropy(usage) == pytest.approx(float(entropy(usage)), abs=1e-9)


def test_entropy_of_a_collapse_is_zero_and_of_nothing_an_error():
    assert routing_entropy([0.0, 5.0]) == 0.0
    for usage in ([0.0, 0.0], [-1.0, 2.0], [np.nan]):
        with pytest.raises(InputError, match="usage"):
            routing_entropy(usage)


def noisy(seed, rows, gap):
    """Experts that differ by noise alone, but for the first, which is `gap` better."""
    rng = np.random.default_rng(seed)
    losses = 2.0 + 0.5 * rng.standard_normal((rows, 400))
    losses[0] -= gap
    return losses, np.arange(400) % 4


def test_optimism_grows_with_what_there_is_to_choose_from():
    found = [
        optimism(*noisy(0, rows, 0.0), 2, rng=np.random.default_rng(1)).mean for rows in (2, 8, 40)
    ]
    assert 0.0 < found[0] < found[1] < found[2]


def test_optimism_is_nothing_where_the_choice_is_clear():
    found = optimism(*noisy(0, 6, 1.9), 1, rng=np.random.default_rng(1))
    assert found.mean == pytest.approx(0.0, abs=1e-12)
    assert found.low <= found.mean <= found.high


def test_optimism_covers_what_a_fresh_sample_shows():
    # by chance the best of 20 looks better than it is: the truth is known, all are alike
    looks = []
    for seed in range(8):
        losses, cluster = noisy(seed, 20, 0.0)
        half = losses[:, ::2]
        own = np.stack(
            [half[:, cluster[::2] == name].mean(axis=1) for name in np.unique(cluster[::2])]
        )
        looks.append(2.0 - by_hand(own.T, np.ones(len(own)), 2))
        found = optimism(losses, cluster, 2, rng=np.random.default_rng(seed))
        assert found.low < 2.5 * np.mean(looks)
    assert found.mean == pytest.approx(np.mean(looks), rel=0.5)


def test_optimism_refuses_what_it_cannot_halve():
    with pytest.raises(InputError, match="4 samples"):
        optimism(np.ones((2, 3)), [0, 0, 1], 1, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="do not fit"):
        optimism([[1.0, np.inf, 1.0, 1.0]], [0, 0, 1, 1], 1, rng=np.random.default_rng(0))
