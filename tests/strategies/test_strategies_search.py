"""What the strategies find: strata, trust, and the objective at equal budget."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.selection import select
from moesaic.strategies import get_strategy
from moesaic.testing import ToySpace
from moesaic.testing._strategies import observe

WEIGHT = np.array([4.0, 3.0, 2.0, 1.0])


def run(name, seed, experts, budget=40, batch=4, noise=0.05, **options):
    """Search, then score the chosen experts by their true losses."""
    space = ToySpace(seed=seed)
    strategy = get_strategy(name, space, experts, WEIGHT, seed, **options)
    seen = []
    while len(seen) < budget:
        for proposal in strategy.ask(batch):
            trial = Trial("expert", "toy", len(seen), len(seen), proposal.architecture)
            draw = np.random.default_rng((seed, len(seen))).standard_normal(4)
            loss = space.loss(proposal.architecture) * np.exp(noise * draw)
            seen.append(Observation(trial, loss, loss, 1, 1, 1.0))
        strategy.tell(seen[-batch:])
    truth = np.stack([space.loss(one.trial.architecture) for one in seen])
    return select(truth, WEIGHT, experts).objective


@pytest.mark.parametrize(("name", "experts"), [("joint", 2), ("decomposed", 4)])
def test_guided_search_beats_random(name, experts):
    options = {"surrogate": "gaussian_process", "pool": 128}
    guided = [run(name, seed, experts, **options) for seed in range(10)]
    plain = [run("random", seed, experts) for seed in range(10)]
    assert np.mean(guided) < np.mean(plain) - 0.01
    assert np.mean([g < p for g, p in zip(guided, plain, strict=True)]) >= 0.8


def test_evolution_beats_random():
    evolved = [run("evolution", seed, 2, budget=80) for seed in range(10)]
    plain = [run("random", seed, 2, budget=80) for seed in range(10)]
    assert np.mean(evolved) < np.mean(plain)


@pytest.mark.parametrize("name", ["joint", "decomposed"])
def test_the_start_takes_equally_many_of_every_stratum(name):
    space = ToySpace()
    strategy = get_strategy(name, space, 2, WEIGHT, 3)
    counts = Counter(space.stratum(one.architecture) for one in strategy.ask(18))
    assert len(counts) == 4
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_portions_of_the_start_make_no_difference():
    whole = get_strategy("joint", ToySpace(), 2, WEIGHT, 3).ask(8)
    strategy = get_strategy("joint", ToySpace(), 2, WEIGHT, 3)
    assert strategy.ask(3) + strategy.ask(5) == whole


def test_random_proposals_do_not_depend_on_portions():
    whole = get_strategy("random", ToySpace(), 2, WEIGHT, 3).ask(8)
    strategy = get_strategy("random", ToySpace(), 2, WEIGHT, 3)
    assert strategy.ask(3) + strategy.ask(5) == whole


def test_an_untrusted_surrogate_leaves_sampling_stratified():
    space = ToySpace()
    strategy = get_strategy("joint", space, 2, WEIGHT, 0)
    asked = strategy.ask(20)
    rng = np.random.default_rng(5)
    noise = [
        replace(observe(space, one, place), loss=np.exp(0.3 * rng.standard_normal(4)))
        for place, one in enumerate(asked)
    ]
    strategy.tell(noise)
    following = strategy.ask(8)
    assert all("stays stratified" in one.reason for one in following)
    counts = Counter(space.stratum(one.architecture) for one in asked + following)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_trusted_surrogate_says_what_it_expects():
    space = ToySpace()
    strategy = get_strategy("decomposed", space, 4, WEIGHT, 0)
    strategy.tell([observe(space, one, i) for i, one in enumerate(strategy.ask(40))])
    assert all("expected gain" in one.reason for one in strategy.ask(4))
    assert strategy.surrogate.quality.trusted


def test_specialists_and_other_recipes_do_not_count_as_incumbents():
    """A specialist's loss is no promise a generalist could keep: proposals ignore it."""
    space = ToySpace()
    plain, disturbed = (get_strategy("decomposed", space, 4, WEIGHT, 0) for _ in range(2))
    told = [observe(space, one, i) for i, one in enumerate(plain.ask(40))]
    disturbed.ask(40)
    best = told[0]
    special = replace(
        best, trial=replace(best.trial, subset=(True, False, False, False)), loss=best.loss * 0.01
    )
    longer = replace(best, trial=replace(best.trial, recipe={"epochs": 50}), loss=best.loss * 0.01)
    plain.tell(told)
    disturbed.tell([*told, special, longer])
    assert plain.ask(4) == disturbed.ask(4)


@pytest.mark.parametrize("name", ["joint", "decomposed", "evolution"])
def test_a_cluster_nobody_was_measured_on_is_left_out(name):
    space = ToySpace()
    strategy = get_strategy(name, space, 2, WEIGHT, 0)
    told = []
    for place, one in enumerate(strategy.ask(24)):
        observation = observe(space, one, place)
        observation.loss[3] = np.nan
        told.append(observation)
    strategy.tell(told)
    assert len({one.architecture.key for one in strategy.ask(6)}) == 6


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", ["joint", "decomposed", "evolution"])
def test_single_gaps_are_tolerated(name, whole):
    space = ToySpace()
    options = {} if name == "evolution" else {"surrogate": "ridge"}
    strategy = get_strategy(name, space, 2, WEIGHT, 0, **options)
    told = []
    for place, one in enumerate(strategy.ask(24)):
        observation = observe(space, one, place)
        first = place % 4
        observation.loss[first : first + (place % 2 if whole else 1)] = np.nan
        told.append(observation)
    strategy.tell(told)
    assert len(strategy.ask(4)) == 4


@pytest.mark.parametrize("name", ["joint", "decomposed"])
def test_a_guided_proposal_says_what_it_expects_and_a_sampled_one_does_not(name):
    space = ToySpace(seed=1)
    strategy = get_strategy(name, space, 2, WEIGHT, 1, surrogate="gaussian_process", pool=64)
    seen = []
    for _ in range(5):
        for proposal in strategy.ask(8):
            trial = Trial("expert", "toy", len(seen), len(seen), proposal.architecture)
            loss = space.loss(proposal.architecture)
            if proposal.predicted is None:
                assert "stratum" in proposal.reason
            else:
                # what the surrogate that was fitted before this ask predicts, all of it known now
                mean, _ = strategy.surrogate.predict([proposal.architecture])
                assert proposal.predicted == pytest.approx(mean[0].tolist())
                assert len(proposal.predicted) == 4
            seen.append((proposal, Observation(trial, loss, loss, 1, 1, 1.0)))
        strategy.tell([one for _, one in seen[-8:]])
    assert all(proposal.predicted is None for proposal, _ in seen[:16])
    assert any(proposal.predicted is not None for proposal, _ in seen[16:])
