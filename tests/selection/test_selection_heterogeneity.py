"""The value of different experts: identities, honesty on noise, recovery of a known gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import cross_fitted_heterogeneity, value_of_heterogeneity


def sampled(seed, gain, rows=12, clusters=4, samples=800):
    """Each expert is `gain` nats better on its own cluster; noise on every sample."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, clusters, samples)
    own = np.arange(rows)[:, None] % clusters == cluster[None, :]
    noise = 0.5 * rng.standard_normal(samples) + 0.3 * rng.standard_normal((rows, samples))
    return 1.5 - gain * own + noise, cluster


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_value_is_never_negative_and_matches_its_definition(seed):
    rng = np.random.default_rng(seed)
    loss, weight = rng.random((6, 4)), rng.integers(1, 50, 4)
    share = weight / weight.sum()
    value = value_of_heterogeneity(loss, weight)
    assert value >= 0.0
    assert value == pytest.approx((loss @ share).min() - loss.min(axis=0) @ share)
    assert value_of_heterogeneity(loss[:1], weight) == 0.0


def test_value_ignores_empty_clusters_and_experts_with_gaps():
    loss = [[0.4, np.nan, 0.6], [np.nan, np.nan, 0.1]]
    assert value_of_heterogeneity(loss, [1, 0, 1]) == pytest.approx(0.25)
    with pytest.raises(InputError, match="every cluster"):
        value_of_heterogeneity(loss, [1, 1, 1])


@pytest.mark.parametrize("experts", [2, 4])
def test_noise_is_worth_nothing(experts):
    intervals = []
    for seed in range(10):
        losses, cluster = sampled(seed, gain=0.0)
        rng = np.random.default_rng(seed)
        intervals.append(cross_fitted_heterogeneity(losses, cluster, experts, rng=rng, splits=10))
    assert sum(one.low > 0 for one in intervals) <= 1
    assert abs(np.mean([one.mean for one in intervals])) < 0.02


def test_a_real_difference_is_found():
    losses, cluster = sampled(1, gain=0.4)
    four = cross_fitted_heterogeneity(losses, cluster, 4, rng=np.random.default_rng(0))
    two = cross_fitted_heterogeneity(losses, cluster, 2, rng=np.random.default_rng(0))
    assert four.low > 0.2
    assert four.low < 0.75 * 0.4 < four.high
    assert 0.0 < two.mean < four.mean


def test_same_generator_same_interval():
    losses, cluster = sampled(2, gain=0.1)
    first, again = (
        cross_fitted_heterogeneity(losses, cluster, 4, rng=np.random.default_rng(7), splits=5)
        for _ in range(2)
    )
    assert first == again
    assert first.low <= first.mean <= first.high


def test_it_may_be_negative():
    """Every expert is best on one sample only: what one half prefers, the other regrets."""
    losses = 1.0 - np.eye(40)
    cluster = np.arange(40) % 8
    gain = cross_fitted_heterogeneity(losses, cluster, 8, rng=np.random.default_rng(0))
    assert gain.mean <= 0.0


@pytest.mark.parametrize(
    ("losses", "cluster"),
    [
        (np.ones((2, 5)), np.zeros(4)),
        (np.full((2, 5), np.nan), np.zeros(5)),
        (np.ones((2, 2)), [0, 1]),
        (np.ones((2, 4)), [0, 1, 2, 3]),
    ],
)
def test_bad_input_is_refused(losses, cluster):
    with pytest.raises(InputError):
        cross_fitted_heterogeneity(losses, cluster, 2, rng=np.random.default_rng(0))
