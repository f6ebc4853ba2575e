"""Splits: every sample once, stratified, drawn from the seed only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.data import RawData, Split
from moesaic.data._split import divide, grouped_holdout, stratified_holdout
from moesaic.errors import InputError

counts = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def labels_of(sizes: list[int], seed: int = 0) -> np.ndarray:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(seed).permutation(labels)


def raw_of(sizes: list[int], **splits: Split) -> RawData:
    labels = torch.from_numpy(labels_of(sizes))
    # The input is the sample's own number, so that it can be followed through the splits.
    inputs = torch.arange(len(labels), dtype=torch.float32)[:, None]
    return RawData(Split(inputs, labels), tuple(str(c) for c in range(len(sizes))), **splits)


@given(counts, st.floats(0.05, 0.5), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_holdout_takes_every_sample_once_and_keeps_the_shares(sizes, share, seed):
    labels = labels_of(sizes, seed)
    kept, held = stratified_holdout(labels, share, np.random.default_rng(seed))
    assert sorted([*kept, *held]) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        taken = int((labels[held] == label).sum())
        if size == 1:
            assert taken == 0
        else:
            assert abs(taken - share * size) < 1
            assert taken < size


@given(st.lists(st.integers(2, 40), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_holdout_takes_the_share_of_the_whole(sizes):
    labels = labels_of(sizes)
    _, held = stratified_holdout(labels, 0.2, np.random.default_rng(0))
    assert len(held) == round(0.2 * len(labels))


def test_divide_gives_64_16_20_and_every_sample_once():
    dataset = divide("x", raw_of([100, 50, 50]), seed=3)
    assert [len(s) for s in (dataset.train, dataset.validation, dataset.test)] == [128, 32, 40]
    seen = torch.cat([s.inputs for s in (dataset.train, dataset.validation, dataset.test)])
    assert sorted(seen[:, 0].tolist()) == list(range(200))
    assert torch.bincount(dataset.test.labels).tolist() == [20, 10, 10]
    assert torch.bincount(dataset.validation.labels).tolist() == [16, 8, 8]


def test_divide_follows_the_seed_and_nothing_else():
    raw = raw_of([30, 30])
    first, again, other = (divide("x", raw, seed) for seed in (1, 1, 2))
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() != other.fingerprint()


def test_given_splits_are_kept_and_only_train_is_divided():
    own = Split(torch.full((7, 1), -1.0), torch.tensor([0, 1, 0, 1, 0, 1, 0]))
    dataset = divide("x", raw_of([50, 50], test=own), seed=0)
    assert dataset.test is own
    assert (len(dataset.train), len(dataset.validation)) == (80, 20)
    both = divide("x", raw_of([50, 50], test=own, validation=own), seed=0)
    assert both.validation is own
    assert len(both.train) == 100


def test_a_class_of_one_sample_stays_in_train():
    dataset = divide("x", raw_of([20, 1, 20]), seed=0)
    assert (dataset.train.labels == 1).sum() == 1


def test_only_single_samples_cannot_be_divided():
    with pytest.raises(InputError, match="too few samples a class"):
        divide("x", raw_of([1] * 12), seed=0)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=1, max_size=80),
    st.floats(0.05, 0.5),
    st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_no_group_is_on_both_sides(samples, share, seed):
    labels, groups = (np.array(each) for each in zip(*samples, strict=True))
    kept, held = grouped_holdout(labels, groups, share, np.random.default_rng(seed))
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert not set(groups[kept]) & set(groups[held])
    assert set(labels[held]) <= set(labels[kept])


@given(counts, st.floats(0.05, 0.5), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_groups_of_one_sample_are_held_out_as_samples_are(sizes, share, seed):
    labels = labels_of(sizes, seed)
    alone = np.random.default_rng(seed).permutation(len(labels))
    _, grouped = grouped_holdout(labels, alone, share, np.random.default_rng(seed))
    _, plain = stratified_holdout(labels, share, np.random.default_rng(seed))
    assert np.bincount(labels[grouped], minlength=len(sizes)).tolist() == (
        np.bincount(labels[plain], minlength=len(sizes)).tolist()
    )


def test_groups_larger_than_the_share_are_held_out_whole():
    labels, groups = np.zeros(30, int), np.repeat([7, 8, 9], 10)  # three patients of ten images
    _, held = grouped_holdout(labels, groups, 0.2, np.random.default_rng(0))
    assert len(held) == 10
    assert len(set(groups[held])) == 1


def test_divide_keeps_groups_together_in_both_draws():
    raw = raw_of([60, 60])
    group = np.arange(120) // 4
    dataset = divide("x", replace(raw, groups=torch.from_numpy(group)), seed=0)
    parts = [dataset.train, dataset.validation, dataset.test]
    where = [set(group[part.inputs[:, 0].long().numpy()].tolist()) for part in parts]
    assert sum(map(len, where)) == len(set(group.tolist()))
    assert len(dataset.test) >= 16


def test_groups_without_a_draw_are_said_to_be_of_no_use():
    own = Split(torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]))
    raw = replace(raw_of([20, 20], test=own, validation=own), groups=torch.arange(40))
    assert divide("x", raw, seed=0).notes == (
        "groups are not used: test and validation splits are given",
    )


def test_one_group_cannot_be_divided():
    with pytest.raises(InputError, match="no group can be spared: give more groups than 1"):
        divide("x", replace(raw_of([20, 20]), groups=torch.zeros(40, dtype=torch.int64)), seed=0)
