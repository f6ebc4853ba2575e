"""Joining clusters: Ward on the samples, nested, whatever the sizes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from moesaic.errors import InputError
from moesaic.structure import join_clusters


def within(points, sizes, group):
    """Squared distances of all samples to the centre of their group, a cluster being a point."""
    total = 0.0
    for name in np.unique(group):
        own = group == name
        centre = np.average(points[own], axis=0, weights=sizes[own])
        total += float(sizes[own] @ ((points[own] - centre) ** 2).sum(axis=1))
    return total


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_equal_sizes_give_what_scikit_learn_gives(seed, groups):
    points = np.random.default_rng(seed).standard_normal((9, 3))
    expected = AgglomerativeClustering(groups, linkage="ward").fit_predict(points)
    assert adjusted_rand_score(expected, join_clusters(points, np.full(9, 7), groups)) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_repeated_points_weigh_like_sizes(seed):
    rng = np.random.default_rng(seed)
    points, sizes = rng.standard_normal((6, 2)), rng.integers(1, 6, 6)
    several = np.repeat(points, sizes, axis=0)
    expected = AgglomerativeClustering(3, linkage="ward").fit_predict(several)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    assert adjusted_rand_score(expected[first], join_clusters(points, sizes, 3)) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_groups_are_nested_numbered_and_spread_less_and_less(seed):
    rng = np.random.default_rng(seed)
    points, sizes = rng.standard_normal((8, 2)), rng.integers(1, 500, 8)
    found = [join_clusters(points, sizes, groups) for groups in range(1, 9)]
    for groups, group in enumerate(found, start=1):
        assert list(dict.fromkeys(group.tolist())) == list(range(groups))
    for coarse, fine in pairwise(found):
        assert len({(a, b) for a, b in zip(coarse, fine, strict=True)}) == fine.max() + 1
    spread = [within(points, sizes.astype(float), group) for group in found]
    assert all(a >= b - 1e-9 for a, b in pairwise(spread))
    assert spread[-1] == pytest.approx(0.0, abs=1e-12)


def test_a_small_cluster_far_away_is_no_domain():
    # two domains of two clusters each, and an outlier of a few samples in the first
    points = np.array([[0.0, 0.0], [1.0, 0.0], [8.0, 0.0], [9.0, 0.0], [0.0, 12.0]])
    sizes = np.array([900, 800, 900, 800, 60])
    assert join_clusters(points, sizes, 2).tolist() == [0, 0, 1, 1, 0]
    assert join_clusters(points, np.ones(5), 2).tolist() == [0, 0, 0, 0, 1]


def test_every_cluster_its_own_and_bad_input():
    assert join_clusters(np.eye(3), [1, 2, 3], 5).tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="positive size"):
        join_clusters(np.eye(3), [1, 0, 3], 2)
    with pytest.raises(InputError, match="do not fit"):
        join_clusters(np.eye(3), [1, 2], 2)
