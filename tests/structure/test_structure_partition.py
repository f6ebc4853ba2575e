"""Clustering: known blobs are found again, every sample gets a cluster, no cluster is empty."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs, make_circles
from sklearn.metrics import adjusted_rand_score

from moesaic.errors import InputError
from moesaic.structure import CLUSTERERS, Partition, cluster, silhouette, whiten
from moesaic.structure._partition import _occupied


def blobs(count=240, centres=4, seed=0, spread=0.5):
    corners = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9], [9, 9, 9]])[:centres]
    points, names = make_blobs(count, centers=corners, cluster_std=spread, random_state=seed)
    half = count * 2 // 3
    return points[:half], points[half:], names[:half], names[half:]


@pytest.mark.parametrize("method", CLUSTERERS)
@pytest.mark.parametrize("count", [4, None])
def test_separated_blobs_are_found_by_every_clusterer(method, count):
    train, validation, first, second = blobs()
    found = cluster(train, validation, count=count, method=method, seed=3)
    assert found.count == 4
    assert adjusted_rand_score(first, found.train) == 1
    assert adjusted_rand_score(second, found.validation) == 1
    # the same name means the same blob in both splits
    together = adjusted_rand_score(
        np.concatenate([first, second]), np.concatenate([found.train, found.validation])
    )
    assert together == 1


@pytest.mark.parametrize("centres", [2, 3, 5])
@pytest.mark.parametrize("method", ["kmeans", "gaussian"])
def test_the_number_of_clusters_is_chosen_rightly(centres, method):
    train, validation, _, _ = blobs(centres=centres)
    assert cluster(train, validation, count=None, method=method, seed=1).count == centres
    assert cluster(train, validation, count=None, method=method, seed=1, most=2).count == 2


@pytest.mark.parametrize("method", CLUSTERERS)
def test_the_same_seed_gives_the_same_partition(method):
    train, validation, _, _ = blobs(spread=3.0)
    one, two = (cluster(train, validation, count=3, method=method, seed=2**62) for _ in range(2))
    assert np.array_equal(one.train, two.train)
    assert np.array_equal(one.validation, two.validation)


def test_one_cluster_holds_everything():
    train, validation, _, _ = blobs()
    found = cluster(train, validation, count=1)
    assert found.count == 1
    assert not found.train.any()
    assert not found.validation.any()
    assert found.shares.tolist() == [1.0]


@pytest.mark.parametrize("method", CLUSTERERS)
def test_more_clusters_than_samples_are_refused(method):
    points = np.arange(6.0).reshape(3, 2)
    with pytest.raises(InputError, match="4 clusters were asked of 3 training samples") as raised:
        cluster(points, points, count=4, method=method)
    assert "\n" not in str(raised.value)


def test_an_unknown_method_is_answered_with_the_near_one():
    with pytest.raises(InputError, match="kmeans"):
        cluster(np.zeros((5, 2)), np.zeros((5, 2)), count=2, method="kmean")


@pytest.mark.parametrize("method", CLUSTERERS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_handful_of_samples_is_enough(method, size):
    points = np.arange(2.0 * size).reshape(size, 2)
    found = cluster(points, points, count=None, method=method)
    assert len(found.train) == len(found.validation) == size
    assert (found.sizes > 0).all()


@pytest.mark.parametrize("method", CLUSTERERS)
def test_no_cluster_is_empty_where_samples_repeat(method):
    train = np.repeat(np.array([[0.0, 0.0], [5.0, 5.0]]), 20, axis=0)
    validation = np.array([[0.1, 0.0], [5.0, 4.9], [2.4, 2.4], [50.0, 50.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says that there are fewer distinct points
        found = cluster(train, validation, count=6, method=method)
    assert found.count == 2
    assert (found.sizes == 20).all()
    assert found.validation.tolist() == [
        found.train[0],
        found.train[-1],
        found.train[0],
        *found.train[-1:],
    ]


def test_a_sample_in_a_cluster_that_vanished_joins_the_nearest_one():
    train = np.array([[0.0], [0.2], [9.0]])
    validation = np.array([[0.1], [8.0], [5.0], [4.0]])
    # the model has five components; 0, 1 and 3 hold no training sample
    found = _occupied(train, validation, np.array([2, 2, 4]), np.array([2, 4, 3, 0]))
    assert found.count == 2
    assert found.train.tolist() == [0, 0, 1]
    assert found.validation.tolist() == [0, 1, 1, 0]


def test_noise_joins_the_cluster_of_the_nearest_sample():
    train, validation, first, _ = blobs()
    noise = np.array([[3.0, 0, 0], [0, 6.2, 0]])
    found = cluster(np.concatenate([train, noise]), validation, count=None, method="hdbscan")
    owner = dict(zip(first.tolist(), found.train.tolist(), strict=False))
    assert found.train[-2:].tolist() == [owner[0], owner[2]]
    assert found.train.min() == 0


def test_a_cluster_of_any_shape_takes_the_validation_samples_on_it():
    points, names = make_circles(600, factor=0.3, noise=0.02, random_state=0)
    found = cluster(points[:400], points[400:], count=None, method="hdbscan")
    assert adjusted_rand_score(names[:400], found.train) == 1
    assert adjusted_rand_score(names[400:], found.validation) == 1


@settings(deadline=None)
@given(data=st.data(), count=st.integers(1, 6))
def test_relabelled_clusters_are_contiguous_and_merge_exactly_as_told(data, count):
    lists = st.lists(st.integers(0, count - 1), min_size=1, max_size=30)
    train, validation = (np.array(data.draw(lists), np.int64) for _ in range(2))
    mapping = np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)), np.int64
    )
    found = Partition(train, validation, count).relabel(mapping)
    assert found.count == len(set(mapping.tolist()))
    both = np.concatenate([found.train, found.validation])
    old = mapping[np.concatenate([train, validation])]
    assert 0 <= both.min() <= both.max() < found.count
    assert len(set(zip(both.tolist(), old.tolist(), strict=True))) == len(set(old.tolist()))
    assert len(set(both.tolist())) == len(set(old.tolist()))
    assert found.sizes.sum() == len(train)
    assert found.shares.sum() == pytest.approx(1)


def test_whitening_uses_the_training_split_and_survives_a_constant_column():
    rng = np.random.default_rng(0)
    train = rng.normal([3, -7, 0], [10, 0.1, 1], (500, 3)).astype(np.float32)
    train[:, 2] = 5.0
    validation = train[:50] + np.float32(1)
    first, second = whiten(train, validation)
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    assert first.mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert first[:, :2].std(axis=0) == pytest.approx(1, abs=1e-6)
    assert (first[:, 2] == 0).all()
    assert second[:, 0] - first[:50, 0] == pytest.approx(1 / train[:, 0].std(), rel=1e-3)
    assert (second[:, 2] == 1).all()


def test_the_silhouette_orders_partitions_and_is_zero_for_one_cluster():
    train, _, first, _ = blobs()
    good = silhouette(train, first.astype(np.int64), 0)
    bad = silhouette(train, np.random.default_rng(0).integers(0, 4, len(train)), 0)
    assert good > 0.8 > 0.1 > bad
    assert silhouette(train, np.zeros(len(train), np.int64), 0) == 0
    assert silhouette(train, np.arange(len(train)), 0) == 0


def test_a_number_of_clusters_that_validation_can_measure_is_preferred():
    rng = np.random.default_rng(0)
    train = np.concatenate([rng.normal(centre, 0.1, (40, 1)) for centre in (0, 4, 8)])
    between = np.array([[2.5], [5.5]])  # of three clusters both are in the middle one
    free = cluster(train, between, count=None, seed=1)
    assert (free.count, free.measured) == (3, 1)
    held = cluster(train, between, count=None, seed=1, most=3, measured=2)
    assert (held.count, held.measured) == (2, 2)
    # where no number will do, the choice is as free as before
    assert cluster(train, between[:1], count=None, seed=1, measured=2).count == 3


def test_fewer_values_than_clusters_are_no_warning():
    same = np.ones((30, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cluster(same, same, count=3).count == 1
