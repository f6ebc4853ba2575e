"""Further inputs of a surrogate: appended, their gaps filled, and learned from."""

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.surrogate import LowerFidelity, get_surrogate
from moesaic.surrogate._encode import Encoder
from moesaic.testing._toy_space import ToySpace


def observed(space, count):
    rng = np.random.default_rng(0)
    cells = list({one.key: one for one in (space.sample(rng) for _ in range(count))}.values())
    return [
        Observation(Trial("expert", "toy", i, i, one), space.loss(one), np.ones(4), 1, 1, 1.0)
        for i, one in enumerate(cells)
    ]


def test_gaps_are_the_lowest_value_seen():
    space = ToySpace()
    bank = observed(space, 3)
    encoder = Encoder(space)
    encoder.extra = lambda asked: np.asarray([[5.0, np.nan], [2.0, np.nan], [np.nan, np.nan]])[
        : len(asked)
    ]
    table = encoder.table(bank)
    assert table.inputs.features[:, :-2].shape[1] == len(space.features(bank[0].trial.architecture))
    assert table.inputs.features[:, -2:] == pytest.approx(np.asarray([[5, 0], [2, 0], [2, 0]]))


def test_a_further_input_that_knows_the_loss_is_learned():
    space = ToySpace(length=10)
    bank = observed(space, 16)
    asked = [space.sample(np.random.default_rng(seed)) for seed in range(50)]
    truth = np.stack([space.loss(one) for one in asked])
    errors = []
    for extra in (None, lambda some: np.stack([np.log(space.loss(one)) for one in some])):
        model = get_surrogate("ridge", space, 0)
        if extra is not None:
            model.inform(extra)
        model.fit(bank)
        errors.append(np.abs(model.predict(asked)[0] - truth).mean())
    assert errors[1] < 0.85 * errors[0]


def cheaper(space, architectures, noise=0.05):
    """Return observations of a shorter training: the loss doubled, and noise."""
    rng = np.random.default_rng(1)
    return [
        Observation(
            Trial("expert", "cheap", i, i, one),
            2.0 * space.loss(one) * np.exp(noise * rng.standard_normal(4)),
            np.ones(4),
            1,
            1,
            1.0,
        )
        for i, one in enumerate(architectures)
    ]


def test_lower_fidelities_are_log_losses_averaged_and_nan_where_unknown():
    space = ToySpace()
    first, second, third = (one.trial.architecture for one in observed(space, 3))
    bank = cheaper(space, [first, second, first])
    bank[1].loss[2] = np.nan
    told = LowerFidelity(bank)([first, second, third])
    assert told.shape == (3, 4)
    assert told[0] == pytest.approx(0.5 * (np.log(bank[0].loss) + np.log(bank[2].loss)))
    assert np.isnan(told[1]).tolist() == [False, False, True, False]
    assert np.isnan(told[2]).all()
    assert LowerFidelity(bank)([]).shape == (0, 4)


def test_a_cheaper_training_tells_a_surrogate_what_features_do_not():
    space = ToySpace(length=10)
    bank = observed(space, 16)
    asked = [space.sample(np.random.default_rng(seed)) for seed in range(50)]
    truth = np.stack([space.loss(one) for one in asked])
    fidelity = LowerFidelity(cheaper(space, [*asked, *(one.trial.architecture for one in bank)]))
    errors = []
    for extra in (None, fidelity):
        model = get_surrogate("ridge", space, 0)
        if extra is not None:
            model.inform(extra)
        model.fit(bank)
        errors.append(np.abs(model.predict(asked)[0] - truth).mean())
    assert errors[1] < 0.85 * errors[0]


def test_lower_fidelities_without_experts_or_of_two_lengths_are_refused():
    space = ToySpace()
    bank = cheaper(space, [one.trial.architecture for one in observed(space, 2)])
    with pytest.raises(InputError, match="one length"):
        LowerFidelity([])
    short = Observation(bank[1].trial, bank[1].loss[:2], np.ones(2), 1, 1, 1.0)
    with pytest.raises(InputError, match="one length"):
        LowerFidelity([bank[0], short])
