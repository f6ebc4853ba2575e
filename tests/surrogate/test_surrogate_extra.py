"""Further inputs of a surrogate: appended, their gaps filled, and learned from."""

import numpy as np
import pytest

from moesaic.bank import Observation, Trial
from moesaic.surrogate import get_surrogate
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
