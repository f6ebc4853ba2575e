"""Drawn masks, what experts know of clusters they never saw, and the groups that follow."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.selection import select
from moesaic.strategies import get_strategy
from moesaic.strategies._masks import MaskSampler
from moesaic.strategies._transfer import spectral_groups, transfer_matrix
from moesaic.testing import StrategyContract, ToySpace

TRUTH = np.array([0, 0, 0, 1, 1, 0, 1, 1, 0, 1])


class TestJointWithMasks(StrategyContract):
    def make_strategy(self, space, experts, weight, seed):
        options = {"surrogate": "ridge", "pool": 32, "initial": 4, "explore": 8}
        return get_strategy("joint", space, experts, weight, seed, masks=True, **options)


def knows(mask, rng=None):
    """Accuracy of an expert: what it saw, and half of what is of the same kind as what it saw."""
    seen = {kind for kind, inside in zip(TRUTH, mask, strict=True) if inside}
    kin = np.array([kind in seen for kind in TRUTH])
    found = np.where(mask, 0.95, np.where(kin, 0.5, 0.0))
    noise = 0.0 if rng is None else 0.1 * rng.random(len(found))
    return np.clip(found + noise, 0.0, 1.0)


def observed(proposal, index, rng=None):
    mask = np.ones(10, bool) if proposal.subset is None else np.array(proposal.subset)
    accuracy = knows(mask, rng)
    trial = Trial("expert", "x", index, index, proposal.architecture, proposal.subset)
    return Observation(trial, -np.log(np.maximum(accuracy, 1e-3)), accuracy, 1, 1, 1.0)


def test_sizes_are_log_uniform():
    sampler = MaskSampler(16, 0, "x")
    sizes = np.array([sum(sampler.mask(index)) for index in range(4000)])
    assert sizes.min() == 1
    assert sizes.max() == 16
    # floor of a log-uniform number in 1 .. 17: P(n) = log((n + 1) / n) / log 17
    for size in (1, 2, 3, 4, 8, 16):
        wanted = np.log((size + 1) / size) / np.log(17)
        assert np.mean(sizes == size) == pytest.approx(wanted, abs=0.025)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.data())
def test_masks_keep_their_limits_and_cover_all(clusters, data):
    smallest = data.draw(st.integers(1, clusters))
    largest = data.draw(st.integers(smallest, clusters))
    sampler = MaskSampler(clusters, 3, "x", smallest=smallest, largest=largest)
    masks = np.array([sampler.mask(index) for index in range(2 * clusters)])
    assert masks.sum(axis=1).min() >= smallest
    assert masks.sum(axis=1).max() <= largest
    assert masks.any(axis=0).all()
    again = MaskSampler(clusters, 3, "x", smallest=smallest, largest=largest)
    assert again.mask(clusters - 1) == tuple(masks[clusters - 1])


@pytest.mark.parametrize("limits", [(0, 2), (3, 2), (1, 5)])
def test_impossible_masks_are_refused(limits):
    with pytest.raises(InputError, match="smallest <= largest"):
        MaskSampler(4, 0, "x", smallest=limits[0], largest=limits[1])


def test_the_transfer_of_single_clusters_is_what_was_measured():
    masks = np.eye(10, dtype=bool)
    accuracy = np.stack([knows(mask) for mask in masks])
    accuracy[2, 4] = np.nan
    found = transfer_matrix(masks, accuracy)
    wanted = np.where(np.isnan(accuracy) | masks, 0.0, accuracy)
    np.testing.assert_allclose(found, wanted)


def test_smaller_masks_say_more():
    masks = np.array([[True, False, False], [True, True, False]])
    accuracy = np.array([[1.0, 0.0, 0.8], [1.0, 1.0, 0.3]])
    assert transfer_matrix(masks, accuracy)[0, 2] == pytest.approx((0.8 + 0.3 / 4) / 1.25)


def test_regions_joined_by_a_third_stay_together():
    """Two pure regions teach nothing about each other; the one between them teaches about both."""
    transfer = np.zeros((6, 6))
    transfer[2, :2] = 0.9
    transfer[:2, 2] = 0.4
    transfer[3:, 3:] = 0.5
    np.testing.assert_array_equal(spectral_groups(transfer, 2, 0), [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("seed", range(3))
def test_the_groups_are_found_and_trained_on(seed):
    space = ToySpace()
    options = {"masks": True, "initial": 4, "explore": 30, "surrogate": "ridge", "pool": 16}
    strategy = get_strategy("joint", space, 2, np.ones(10), seed, **options)
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(9):
        new = strategy.ask(6)
        strategy.tell([observed(one, len(asked) + i, rng) for i, one in enumerate(new)])
        asked += new
    np.testing.assert_array_equal(strategy.groups(), TRUTH)
    assert [one.subset for one in asked[:4]] == [None] * 4
    assert max(sum(one.subset) for one in asked[4:34]) <= 2
    late = [np.array(one.subset) for one in asked[-6:]]
    assert all(len(set(TRUTH[mask])) == 1 for mask in late)
    assert {int(TRUTH[mask][0]) for mask in late} == {0, 1}


def test_a_guided_proposal_says_what_it_expects_of_its_subset():
    space = ToySpace()
    options = {"masks": True, "initial": 4, "explore": 12, "surrogate": "ridge", "pool": 16}
    strategy = get_strategy("joint", space, 2, np.ones(10), 0, **options)
    rng, asked = np.random.default_rng(0), []
    for _ in range(12):
        new = strategy.ask(4)
        for one in new:
            assert (one.predicted is None) == one.reason.startswith("stratum")
            if one.predicted is not None:
                mean, _ = strategy.surrogate.predict([one.architecture], [one.subset])
                assert one.predicted == pytest.approx(mean[0].tolist())
        strategy.tell([observed(one, len(asked) + i, rng) for i, one in enumerate(new)])
        asked += new
    assert all(one.predicted is None for one in asked[:16])
    assert sum(one.predicted is not None for one in asked[16:]) >= 4


def test_every_cluster_is_trained_on_alone_where_that_is_affordable():
    options = {"masks": True, "initial": 2, "explore": 20, "surrogate": "ridge"}
    strategy = get_strategy("joint", ToySpace(), 2, np.ones(10), 0, **options)
    drawn = np.array([one.subset for one in strategy.ask(22)[2:]])
    np.testing.assert_array_equal(drawn.sum(axis=1), 1)
    np.testing.assert_array_equal(drawn.sum(axis=0), 2)


def test_a_mutual_cut_is_not_misled_by_what_is_known_one_way_only():
    transfer = np.kron(np.eye(2), np.full((3, 3), 0.3))
    transfer[0, 3:] = 1.0  # one expert answers strangers by accident
    np.testing.assert_array_equal(spectral_groups(transfer, 2, 0, mutual=True), [0, 0, 0, 1, 1, 1])
    assert spectral_groups(transfer, 2, 0).tolist() != [0, 0, 0, 1, 1, 1]


def test_without_masks_nothing_is_found_and_everything_is_seen():
    strategy = get_strategy("joint", ToySpace(), 2, np.ones(4), 0)
    assert strategy.groups() is None
    assert all(one.subset is None for one in strategy.ask(5))
    with pytest.raises(InputError, match="explore"):
        get_strategy("joint", ToySpace(), 2, np.ones(4), 0, masks=True, explore=0)


def test_the_selected_objective_never_rises_while_the_bank_grows():
    """The incumbent stays in the bank and the selection is exact."""
    space = ToySpace()
    options = {"masks": True, "initial": 4, "explore": 12, "surrogate": "ridge", "pool": 16}
    strategy = get_strategy("joint", space, 2, np.ones(10), 1, **options)
    bank, objectives = [], []
    for _ in range(6):
        new = [observed(one, len(bank) + i) for i, one in enumerate(strategy.ask(5))]
        strategy.tell(new)
        bank += new
        objectives.append(select(np.stack([one.loss for one in bank]), np.ones(10), 2).objective)
    assert all(after <= before + 1e-12 for before, after in itertools.pairwise(objectives))
