"""Joining clusters, by Ward or by what a gate confuses, nested; and ways to divide groups."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from moesaic.errors import InputError
from moesaic.structure import join_clusters, join_confused, ways_to_divide


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


def test_what_a_gate_confuses_is_joined_first():
    # 0 and 2 are taken for each other, 1 and 3 a little, nothing else
    confusion = np.eye(4)
    confusion[0, 2] = confusion[2, 0] = 0.2
    confusion[1, 3] = 0.05
    sizes = np.array([100, 400, 300, 200])
    assert join_confused(confusion, sizes, 3).tolist() == [0, 1, 0, 2]
    assert join_confused(confusion, sizes, 2).tolist() == [0, 1, 0, 1]
    assert join_confused(confusion, sizes, 1).tolist() == [0, 0, 0, 0]
    assert join_confused(confusion, sizes, 9).tolist() == [0, 1, 2, 3]


def test_a_small_cluster_that_goes_astray_weighs_by_its_own_samples():
    # 30 of the 60 samples of the last are taken for the first; 60 of 1,000 each for the other
    confusion = np.array([[0.94, 0.06, 0.0], [0.06, 0.94, 0.0], [0.5, 0.0, 0.5]])
    assert join_confused(confusion, [1000, 1000, 60], 2).tolist() == [0, 1, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_confused_groups_are_nested_and_join_the_most_confused_pair(seed):
    rng = np.random.default_rng(seed)
    confusion, sizes = rng.dirichlet(np.ones(7), 7), rng.integers(1, 500, 7)
    found = [join_confused(confusion, sizes, groups) for groups in range(1, 8)]
    for groups, group in enumerate(found, start=1):
        assert list(dict.fromkeys(group.tolist())) == list(range(groups))
    for coarse, fine in pairwise(found):
        assert len({(a, b) for a, b in zip(coarse, fine, strict=True)}) == fine.max() + 1
        of = [np.flatnonzero(fine == group) for group in range(fine.max() + 1)]
        rate = {}
        for a in range(len(of)):
            for b in range(a):
                astray = sum(
                    sizes[m] * confusion[m, n] + sizes[n] * confusion[n, m]
                    for m in of[a]
                    for n in of[b]
                )
                rate[a, b] = astray / min(sizes[of[a]].sum(), sizes[of[b]].sum())
        joined = [(a, b) for a, b in rate if coarse[of[a][0]] == coarse[of[b][0]]]
        assert len(joined) == 1
        assert rate[joined[0]] == pytest.approx(max(rate.values()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 5))
def test_ways_divide_one_group_in_two_and_none_comes_twice(seed, groups, most):
    rng = np.random.default_rng(seed)
    centres, sizes = rng.standard_normal((7, 3)), rng.integers(1, 500, 7)
    confusion = rng.dirichlet(np.ones(7), 7)
    now = join_clusters(centres, sizes, groups)
    ways = ways_to_divide(now, centres, sizes, confusion, most)
    assert len(ways) <= most
    assert len({tuple(way.tolist()) for way in ways}) == len(ways)
    assert bool(ways) == (groups < 7)
    for way in ways:
        assert list(dict.fromkeys(way.tolist())) == list(range(groups + 1))
        assert len({(a, b) for a, b in zip(now, way, strict=True)}) == groups + 1
    if ways:  # the first is what Ward's criterion does next
        assert ways[0].tolist() == join_clusters(centres, sizes, groups + 1).tolist()


def test_both_ways_to_divide_are_there():
    # by distance 0 1 | 2 3, by what is confused 0 2 | 1 3
    centres, confusion = np.array([[0.0], [1.0], [8.0], [9.0]]), np.eye(4)
    confusion[0, 2] = confusion[1, 3] = 0.3
    found = ways_to_divide(np.zeros(4), centres, np.full(4, 9), confusion, 4)
    assert [way.tolist() for way in found] == [[0, 0, 1, 1], [0, 1, 0, 1]]
    agreed = ways_to_divide(found[0], centres, np.full(4, 9), confusion, 4)
    assert [way.tolist() for way in agreed] == [[0, 1, 2, 2], [0, 0, 1, 2]]


def test_confusion_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="do not fit"):
        join_confused(np.eye(3), [1, 2], 2)
    with pytest.raises(InputError, match="positive size"):
        join_confused(np.eye(2), [1, 0], 2)
