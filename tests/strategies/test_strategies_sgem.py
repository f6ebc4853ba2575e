"""SGEM against independent references, and the guarantees that were restored."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from moesaic.errors import InputError
from moesaic.strategies import get_strategy
from moesaic.strategies._sgem import _held_out
from moesaic.strategies._sgem_steps import (
    hard_routing,
    improve_routing,
    objective,
    responsibilities,
    unevenness,
)
from moesaic.strategies._sgem_surrogate import MaskedLoss
from moesaic.testing import StrategyContract, ToySpace
from moesaic.testing._strategies import observe


class TestSgem(StrategyContract):
    def make_strategy(self, space, experts, weight, seed):
        return get_strategy("sgem", space, experts, weight, seed, initial=12, pool=16)


def test_the_e_step_is_bayes_rule():
    rng = np.random.default_rng(0)
    routing = rng.dirichlet(np.ones(3), 5)
    loss = rng.random(3)
    found = responsibilities(routing, loss)
    for cluster, expert in itertools.product(range(5), range(3)):
        evidence = sum(routing[cluster, k] * np.exp(-loss[k]) for k in range(3))
        wanted = routing[cluster, expert] * np.exp(-loss[expert]) / evidence
        assert found[cluster, expert] == pytest.approx(wanted)


def test_the_objective_and_its_bound():
    """log sum_k is what the E-step makes tight: J = Q + entropy of q, without a penalty."""
    rng = np.random.default_rng(1)
    routing, loss = rng.dirichlet(np.ones(2), 4), rng.random(2)
    weight = np.array([0.1, 0.2, 0.3, 0.4])
    share = responsibilities(routing, loss)
    bound = (weight[:, None] * share * (np.log(routing) - loss - np.log(share))).sum()
    assert objective(routing, loss, weight, 0.0) == pytest.approx(bound)


def test_the_balance_is_least_when_all_serve_equally_much():
    weight = np.array([0.5, 0.25, 0.25])
    assert unevenness(hard_routing(np.array([0, 1, 1]), 2), weight) == pytest.approx(1.0)
    assert unevenness(hard_routing(np.array([0, 0, 0]), 2), weight) == pytest.approx(2.0)


def test_the_m_step_on_the_routing_sends_clusters_where_they_cost_less():
    """An expert is cheap on clusters it is made for: the Gumbel-softmax step finds them."""
    made_for = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])

    def loss_of(masks):
        return (masks * (1 - made_for)).sum(dim=1)

    start = np.full((6, 2), 0.5)
    share = np.full((6, 2), 0.5)
    found = improve_routing(start, share, loss_of, np.full(6, 1 / 6), 0.01, seed=0)
    np.testing.assert_array_equal(found.argmax(axis=1), [0, 0, 0, 1, 1, 1])


def test_the_surrogate_is_never_negative_and_learns():
    rng = np.random.default_rng(0)
    features, masks = rng.standard_normal((80, 4)), (rng.random((80, 6)) > 0.5).astype(float)
    loss = np.exp(0.5 * features[:, 0]) + masks[:, 0]
    surrogate = MaskedLoss(4, 6, seed=0)
    surrogate.fit(features[:60], masks[:60], loss[:60])
    mean, std = surrogate.predict(features[60:], masks[60:])
    assert np.corrcoef(mean, loss[60:])[0, 1] > 0.8
    assert (std > 0).any()
    far, _ = surrogate.predict(50 * features, masks)
    assert (far >= 0).all()
    with pytest.raises(InputError):
        surrogate.fit(features, masks, -loss)


def play(strategy, space, rounds=6, change=None):
    told = []
    for _ in range(rounds):
        new = [observe(space, one, len(told) + i) for i, one in enumerate(strategy.ask(5))]
        new = [change(one) if change else one for one in new]
        strategy.tell(new)
        told += new
    return told


def test_no_step_loses_the_incumbent():
    space = ToySpace()
    strategy = get_strategy("sgem", space, 2, np.ones(4), 0, initial=10, pool=16)
    play(strategy, space)
    assert len(strategy.ascent) >= 4
    assert all(after >= before for before, after in strategy.ascent)
    assert strategy.groups().shape == (4,)


def test_masks_have_at_least_three_clusters():
    strategy = get_strategy("sgem", ToySpace(clusters=8), 2, np.ones(8), 0, initial=10, pool=16)
    space = ToySpace(clusters=8)
    masks = [one.trial.subset for one in play(strategy, space)]
    assert min(sum(mask) for mask in masks) >= 3


def test_what_is_held_out_changes_no_proposal():
    space = ToySpace()
    plain, disturbed = (
        get_strategy("sgem", space, 2, np.ones(4), 0, initial=20, pool=16) for _ in range(2)
    )
    told = play(plain, space)
    assert any(_held_out(one) for one in told)
    changed = play(
        disturbed, space, change=lambda one: replace(one, loss=one.loss + 9 * _held_out(one))
    )
    assert [one.trial.key for one in told] == [one.trial.key for one in changed]
    assert disturbed.held_out_error() > plain.held_out_error() + 5


def test_what_is_expected_of_a_proposal_is_the_loss_on_its_own_clusters():
    """Where the loss is all one number the surrogate learns it, whatever the mask."""
    space = ToySpace()
    strategy = get_strategy("sgem", space, 2, np.ones(4), 0, initial=12, pool=16)
    told, proposed = [], []
    for _ in range(6):
        new = strategy.ask(5)
        seen = [observe(space, one, len(told) + i) for i, one in enumerate(new)]
        seen = [replace(one, loss=np.where(one.trial.subset, 0.7, 9.0)) for one in seen]
        strategy.tell(seen)
        told += seen
        proposed += new
    expected = [one.expected for one in proposed]
    assert expected[:12] == [None] * 12
    assert all(one.predicted is None for one in proposed)
    known = [one for one in expected if one is not None]
    assert len(known) >= 12
    assert known == pytest.approx([0.7] * len(known), abs=0.15)


def test_only_own_clusters_count():
    space = ToySpace()
    plain, disturbed = (
        get_strategy("sgem", space, 2, np.ones(4), 0, initial=10, pool=16) for _ in range(2)
    )

    def spoil(one):
        return replace(one, loss=np.where(one.trial.subset, one.loss, 77.0))

    assert [one.trial.key for one in play(plain, space)] == [
        one.trial.key for one in play(disturbed, space, change=spoil)
    ]
