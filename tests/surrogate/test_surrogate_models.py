"""Surrogates: positivity, calibration, choice, trust, gaps, determinism."""

from dataclasses import replace

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.surrogate import get_surrogate, surrogate_names
from moesaic.testing import ToySpace

NAMES = ["blend", "boosting", "gaussian_process", "graph_process", "ridge", "trees"]


def measured(space, count, loss, seed=0, noise=0.03):
    """Observations of `count` different architectures."""
    rng = np.random.default_rng(seed)
    drawn = {}
    while len(drawn) < count:
        architecture = space.sample(rng)
        drawn[architecture.key] = architecture
    observations = []
    for index, architecture in enumerate(drawn.values()):
        values = np.asarray(loss(architecture))
        values = values * np.exp(noise * rng.standard_normal(values.shape))
        trial = Trial("expert", "test", index, seed, architecture)
        observations.append(Observation(trial, values, np.exp(-values), 1, 1, 1.0))
    return observations


def architectures(observations):
    return [one.trial.architecture for one in observations]


def digits(space, architecture):
    return np.array(space.word(architecture)) / 3.0


def test_names():
    assert set(NAMES) <= set(surrogate_names())
    with pytest.raises(InputError, match="did you mean"):
        get_surrogate("gaussian_proces", ToySpace())


@pytest.mark.parametrize("name", NAMES)
def test_it_ranks_what_it_has_not_seen_and_is_never_negative(name):
    space = ToySpace()
    surrogate = get_surrogate(name, space)
    surrogate.fit(measured(space, 60, space.loss))
    fresh = measured(space, 100, space.loss, seed=1, noise=0.0)
    mean, std = surrogate.predict(architectures(fresh))
    assert mean.shape == std.shape == (100, space.clusters)
    assert mean.min() > 0.0
    assert std.min() > 0.0
    truth = np.stack([one.loss for one in fresh])
    least = 0.5 if name == "boosting" else 0.7  # steps of trees alone fit a smooth loss badly
    for cluster in range(space.clusters):
        assert np.corrcoef(mean[:, cluster], truth[:, cluster])[0, 1] > least
    assert surrogate.quality.trusted
    assert np.all(surrogate.quality.spearman > least - 0.2)
    assert np.all(surrogate.quality.kendall < surrogate.quality.spearman)


@pytest.mark.parametrize("name", ["gaussian_process", "ridge", "trees"])
def test_intervals_hold_what_they_promise_on_new_data(name):
    space = ToySpace()
    surrogate = get_surrogate(name, space)
    surrogate.fit(measured(space, 80, space.loss, noise=0.1))
    fresh = measured(space, 200, space.loss, seed=1, noise=0.1)
    mean, std = surrogate.predict(architectures(fresh))
    gap = np.abs(np.stack([one.loss for one in fresh]) - mean) / std
    assert 0.38 < np.mean(gap < 0.674) < 0.62
    assert 0.80 < np.mean(gap < 1.645) < 0.96
    assert 0.38 < surrogate.quality.coverage50.mean() < 0.62
    assert 0.80 < surrogate.quality.coverage90.mean() < 0.98


def test_linear_effects_are_learned_nearly_perfectly():
    space = ToySpace()
    slope = np.random.default_rng(0).standard_normal((6, 4))
    surrogate = get_surrogate("blend", space)
    surrogate.fit(measured(space, 60, lambda one: np.exp(0.3 * digits(space, one) @ slope)))
    assert surrogate.quality.mean_spearman > 0.9
    compared = surrogate.quality.compared
    assert compared["ridge"] > compared["trees"]


def test_interactions_are_left_to_the_nonlinear_models():
    space = ToySpace(length=4)

    def loss(architecture):
        word = digits(space, architecture) - 0.5
        return np.exp(2.0 * np.array([word[0] * word[1], word[1] * word[0], word[2] * word[0]]))

    surrogate = get_surrogate("blend", space)
    surrogate.fit(measured(space, 100, loss))
    assert surrogate.quality.weights["ridge"] < 0.1
    assert surrogate.quality.mean_spearman > surrogate.quality.compared["ridge"] + 0.2


@pytest.mark.parametrize("count", [8, 20])
def test_noise_is_not_trusted(count):
    space = ToySpace()
    trusted = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        shared = get_surrogate("blend", space, seed)
        observations = [
            replace(one, loss=np.exp(0.3 * rng.standard_normal() * np.ones(4)))
            for one in measured(space, count, space.loss, seed)
        ]
        shared.fit(observations)
        trusted.append(shared.quality.trusted)
        assert shared.quality.trusted or "stays stratified" in shared.quality.reason
    assert sum(trusted) <= 1


def test_few_observations_are_predicted_by_their_mean_and_not_trusted():
    space = ToySpace()
    observations = measured(space, 5, space.loss)
    surrogate = get_surrogate("blend", space)
    surrogate.fit(observations)
    quality = surrogate.quality
    assert not quality.trusted
    assert quality.model == "constant"
    assert "5 different architectures" in quality.reason
    mean, std = surrogate.predict(architectures(observations))
    losses = np.stack([one.loss for one in observations])
    assert mean == pytest.approx(np.tile(np.exp(np.log(losses).mean(axis=0)), (5, 1)))
    assert np.all(std > 0)
    surrogate.fit(observations[:1])
    assert surrogate.predict(architectures(observations))[0][3] == pytest.approx(losses[0])


def test_repeats_of_an_architecture_are_not_split_between_folds():
    """Eight copies of four architectures are four: nothing to trust."""
    space = ToySpace()
    four = measured(space, 4, space.loss)
    copies = [
        replace(one, trial=replace(one.trial, seed=seed)) for one in four for seed in range(8)
    ]
    surrogate = get_surrogate("blend", space)
    surrogate.fit(copies)
    assert not surrogate.quality.trusted


def test_each_cluster_is_fitted_on_what_it_has():
    space = ToySpace()
    observations = measured(space, 40, space.loss)
    for place, one in enumerate(observations):
        one.loss[0] = np.nan
        if place % 2:
            one.loss[1] = np.nan
        if place > 1:
            one.loss[2] = np.inf
    surrogate = get_surrogate("gaussian_process", space)
    surrogate.fit(observations)
    mean, std = surrogate.predict(architectures(observations))
    assert np.all(np.isfinite(mean))
    assert np.all(std > 0)
    quality = surrogate.quality
    assert np.isnan(quality.spearman[[0, 2]]).all()
    assert quality.spearman[1] > 0.5
    assert quality.spearman[3] > 0.5
    assert np.unique(mean[:, 0]).size == 1


def test_the_subset_is_a_feature_when_it_varies():
    space = ToySpace()
    observations = []
    for place, one in enumerate(measured(space, 60, space.loss)):
        mine = tuple(bool((place >> cluster) & 1) for cluster in range(4))
        loss = one.loss * np.where(mine, 0.5, 2.0)
        observations.append(replace(one, trial=replace(one.trial, subset=mine), loss=loss))
    surrogate = get_surrogate("ridge", space)
    surrogate.fit(observations)
    asked = architectures(observations)[:10]
    own = surrogate.predict(asked, [(True, False, False, False)] * 10)[0]
    all_ = surrogate.predict(asked)[0]
    assert np.all(own[:, 1:] > 2.0 * all_[:, 1:])
    assert own[:, 0] == pytest.approx(all_[:, 0], rel=0.3)
    with pytest.raises(InputError, match="4 booleans"):
        surrogate.predict(asked, [(True,)] * 10)


def test_huge_and_tiny_losses_stay_finite():
    space = ToySpace()
    observations = measured(space, 20, space.loss)
    observations[0].loss[:] = 1e6
    observations[1].loss[:] = 0.0
    surrogate = get_surrogate("blend", space)
    surrogate.fit(observations)
    mean, std = surrogate.predict(architectures(observations))
    assert np.all(np.isfinite(mean))
    assert np.all(np.isfinite(std))
    assert mean.min() > 0


def test_the_quality_is_plain_data():
    import json

    space = ToySpace()
    observations = measured(space, 12, space.loss)
    observations[0].loss[0] = np.nan
    surrogate = get_surrogate("ridge", space)
    surrogate.fit(observations)
    payload = json.loads(json.dumps(surrogate.quality.to_dict(), allow_nan=False))
    assert payload["model"] == "ridge"
    assert len(payload["measured"]) == 12
    assert sum(row[0] is None for row in payload["predicted"]) == 1


def test_misuse_is_refused():
    space = ToySpace()
    surrogate = get_surrogate("blend", space)
    with pytest.raises(InputError, match="before fit"):
        surrogate.predict([])
    with pytest.raises(InputError, match="before fit"):
        _ = surrogate.quality
    with pytest.raises(InputError, match="got none"):
        surrogate.fit([])
    observations = measured(space, 3, space.loss)
    mixture = replace(observations[0], trial=Trial("mixture", "final", 0, 0))
    with pytest.raises(InputError, match="got none"):
        surrogate.fit([mixture])
    with pytest.raises(InputError, match="one length"):
        surrogate.fit([observations[0], replace(observations[1], loss=np.ones(2))])
    surrogate.fit(observations)
    assert surrogate.predict([])[0].shape == (0, 4)
