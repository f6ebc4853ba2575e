"""The quality of a partition: against counts by hand, known answers and chance."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

from moesaic.data import Normaliser, Split
from moesaic.mixture import build_gate
from moesaic.structure import (
    Partition,
    Routing,
    assess,
    merge_indistinct,
    probe_routing,
    purity,
    stability,
)
from moesaic.training import Recipe

RECIPE = Recipe(epochs=12, batch_size=32, lr=0.02, shift=1)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def tinted_images(count, seed):
    """Noisy images of three tints; returns the split and the tint of every image."""
    source = torch.Generator().manual_seed(seed)
    tints = torch.randint(0, 3, (count,), generator=source)
    images = torch.randint(0, 120, (count, 3, 8, 8), generator=source)
    images[torch.arange(count), tints] += 100
    labels = torch.randint(0, 2, (count,), generator=source)
    return Split(images.to(torch.uint8), labels, tints), tints.numpy()


def probe(train, validation, first, second, count, seed=0):
    return probe_routing(
        Partition(first, second, count),
        train,
        validation,
        Normaliser.fit(train),
        partial(build_gate, tuple(train.inputs.shape[1:])),
        RECIPE,
        seed,
    )


def test_purity_counts_the_commonest_name_of_every_cluster():
    clusters = np.array([0, 0, 0, 2, 2, 2, 2])
    names = np.array([1, 1, 0, 3, 3, 0, 1])
    assert purity(clusters, names) == pytest.approx((2 + 2) / 7)
    assert purity(clusters, clusters) == 1
    assert purity(np.zeros(0, np.int64), np.zeros(0, np.int64)) == 0


@settings(deadline=None)
@given(names=st.lists(st.integers(0, 4), min_size=1, max_size=40), seed=st.integers(0, 9))
def test_purity_lies_between_the_commonest_name_and_one(names, seed):
    array = np.array(names)
    clusters = np.random.default_rng(seed).integers(0, 3, len(names))
    value = purity(clusters, array)
    assert purity(np.zeros_like(array), array) <= value <= 1
    assert purity(np.arange(len(names)), array) == 1


@pytest.mark.parametrize("method", ["kmeans", "gaussian"])
def test_blobs_are_stable_and_noise_is_not(method):
    corners = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    points, _ = make_blobs(200, centers=corners, cluster_std=0.3, random_state=5)
    assert stability(points, 4, method, seed=0) == pytest.approx(1)
    noise = np.random.default_rng(0).uniform(size=(200, 8))
    assert stability(noise, 5, method, seed=0) < 0.7


def rand_index(one, other):
    """Hubert and Arabie's adjusted Rand index, from all pairs of samples."""
    pairs = np.triu_indices(len(one), 1)
    first = (one[:, None] == one)[pairs]
    second = (other[:, None] == other)[pairs]
    expected = first.sum() * second.sum() / len(first)
    most = (first.sum() + second.sum()) / 2
    return ((first & second).sum() - expected) / (most - expected)


def test_stability_is_the_mean_over_all_pairs_of_resamples(monkeypatch):
    rng = np.random.default_rng(0)
    answers = [rng.integers(0, 3, 30) for _ in range(3)]
    answers[1] = (answers[0] + 1) % 3  # the same partition under other names
    told, left = [], list(answers)

    def find(train, validation, *, count, method, seed):
        told.append((len(train), len(validation), count, method, seed))
        return Partition(np.zeros(len(train), np.int64), left.pop(0), count)

    monkeypatch.setattr("moesaic.structure._quality.cluster", find)
    value = stability(np.zeros((30, 2)), 3, "gaussian", seed=0, resamples=3, share=0.5)
    pairs = [(0, 1), (0, 2), (1, 2)]
    scores = [rand_index(answers[i], answers[j]) for i, j in pairs]
    assert scores[0] == 1
    assert value == pytest.approx(np.mean(scores))
    assert [call[:4] for call in told] == [(15, 30, 3, "gaussian")] * 3
    assert len({call[4] for call in told}) == 3


def test_a_partition_that_clustering_does_not_find_is_not_stable():
    points, names = make_blobs(300, centers=3, cluster_std=0.2, random_state=1)
    names = names.astype(np.int64)
    random = np.random.default_rng(0).integers(0, 3, 300)
    judged = [
        stability(points, 3, "kmeans", 0, partition=one) for one in (names, (names + 1) % 3, random)
    ]
    assert judged[:2] == pytest.approx([1, 1])
    assert abs(judged[2]) < 0.05
    # two of the three were merged
    assert stability(points, 3, "kmeans", 0, partition=names // 2) == pytest.approx(1)


def test_stability_has_an_answer_for_one_cluster_and_for_few_samples():
    points = np.arange(12.0).reshape(6, 2)
    assert stability(points, 1, "kmeans", seed=0) == 1
    assert stability(points, 6, "kmeans", seed=0) == 0


def test_stability_depends_on_the_seed_alone():
    noise = np.random.default_rng(0).uniform(size=(150, 6))
    values = [stability(noise, 4, "kmeans", seed=seed) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_tints_can_be_told_apart_and_random_clusters_cannot():
    (train, first), (validation, second) = tinted_images(240, 0), tinted_images(120, 1)
    good = probe(train, validation, first, second, 3)
    assert good.accuracy > 0.97
    assert np.array_equal(
        good.validation[second == good.validation], second[second == good.validation]
    )
    assert (good.train == first).mean() > 0.97
    assert good.confusion.sum(axis=1) == pytest.approx(1)

    rng = np.random.default_rng(2)
    chance = probe(train, validation, rng.integers(0, 3, 240), rng.integers(0, 3, 120), 3)
    assert abs(chance.accuracy - 1 / 3) < 0.2


def test_a_routing_agrees_with_itself_and_with_its_seed():
    (train, first), (validation, second) = tinted_images(96, 0), tinted_images(60, 1)
    one, again = (probe(train, validation, first, second, 3, seed=4) for _ in range(2))
    assert np.array_equal(one.train, again.train)
    assert np.array_equal(one.confusion, again.confusion)
    assert one.accuracy == pytest.approx((one.validation == second).mean())
    for name in range(3):
        mine = one.validation[second == name]
        assert one.confusion[name] == pytest.approx(np.bincount(mine, minlength=3) / len(mine))


def test_vectors_are_probed_too():
    rng = np.random.default_rng(0)
    names = rng.integers(0, 2, 200)
    vectors = torch.from_numpy(rng.normal(size=(200, 4)) + 5 * names[:, None]).float()
    split = Split(vectors, torch.zeros(200, dtype=torch.int64))
    assert probe(split, split, names, names, 2).accuracy > 0.97


def routing(confusion):
    none = np.zeros(0, np.int64)
    return Routing(none, none, np.array(confusion), 0.0)


def merged(confusion, most=0.25):
    """Return the group of every cluster, as sets."""
    count = len(confusion)
    names = np.arange(count)
    found = merge_indistinct(Partition(names, names, count), routing(confusion), most)
    assert sorted(set(found.train.tolist())) == list(range(found.count))
    assert np.array_equal(found.train, found.validation)
    return {frozenset(np.flatnonzero(found.train == name).tolist()) for name in range(found.count)}


def test_exactly_the_clusters_that_are_confused_are_merged():
    confusion = [
        [0.90, 0.05, 0.05, 0.00],
        [0.00, 0.55, 0.00, 0.45],
        [0.10, 0.00, 0.90, 0.00],
        [0.00, 0.35, 0.00, 0.65],
    ]
    assert merged(confusion) == {frozenset({0}), frozenset({1, 3}), frozenset({2})}
    assert merged(confusion, most=0.4) == {frozenset({name}) for name in range(4)}
    assert merged(np.eye(5)) == {frozenset({name}) for name in range(5)}


def test_a_small_cluster_swallowed_by_a_large_one_is_merged():
    assert merged([[1.0, 0.0], [1.0, 0.0]]) == {frozenset({0, 1})}


def test_confusion_is_passed_on():
    chain = [[0.6, 0.4, 0.0], [0.3, 0.4, 0.3], [0.0, 0.4, 0.6]]
    assert merged(chain) == {frozenset({0, 1, 2})}


@settings(deadline=None)
@given(seed=st.integers(0, 200), count=st.integers(1, 6))
def test_merging_gives_the_connected_groups(seed, count):
    from scipy.sparse.csgraph import connected_components

    confusion = np.random.default_rng(seed).dirichlet(np.full(count, 0.3), count)
    linked = (confusion + confusion.T) / 2 > 0.25
    np.fill_diagonal(linked, False)
    _, names = connected_components(linked, directed=False)
    expected = {frozenset(np.flatnonzero(names == name).tolist()) for name in set(names)}
    assert merged(confusion) == expected


def test_the_whole_assessment_is_json_able_and_honest_about_unknown_domains():
    points, names = make_blobs(150, centers=3, cluster_std=0.3, random_state=1)
    names = names.astype(np.int64)
    partition = Partition(names[:100], names[100:], 3)
    labels = torch.from_numpy(np.arange(50) % 5)
    known = Split(torch.zeros(50, 2), labels, torch.from_numpy(names[100:]))
    judge = partial(assess, partition, points[:100], method="kmeans", routability=0.875, seed=0)
    quality = judge(validation=known)
    assert quality.sizes == tuple(np.bincount(names[:100]).tolist())
    assert quality.silhouette > 0.8
    assert quality.stability == pytest.approx(1)
    assert judge(validation=known, method=None).stability is None
    assert quality.routability == 0.875
    assert quality.purity_domains == 1
    assert quality.purity_labels < 0.5
    unknown = judge(validation=Split(torch.zeros(50, 2), labels))
    assert unknown.purity_domains is None
    import json

    assert json.loads(json.dumps(quality.to_dict()))["purity_domains"] == 1
