"""Transfer: what an earlier run adds, when it is dropped, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from moesaic.bank import Observation, Trial
from moesaic.errors import InputError
from moesaic.surrogate import Prior, Surrogate, TransferSurrogate
from moesaic.surrogate._transfer import fit_lines
from moesaic.testing import SurrogateContract
from moesaic.testing._toy_space import ToySpace


def observed(space, architectures, change=lambda loss: loss):
    return [
        Observation(
            Trial("expert", "toy", index, index, one),
            change(space.loss(one)),
            np.ones(1),
            1,
            1,
            1.0,
        )
        for index, one in enumerate(architectures)
    ]


def drawn(space, count, seed):
    rng = np.random.default_rng(seed)
    return list({one.key: one for one in (space.sample(rng) for _ in range(count))}.values())


def old_bank(space):
    """Another problem that resembles this one: two clusters, half of other origin."""
    return observed(
        space, drawn(space, 120, 5), lambda loss: 2 * loss.mean() + np.array([0.1, 0.3])
    )


class TestTransferSurrogate(SurrogateContract):
    def make_surrogate(self, space, seed) -> Surrogate:
        return TransferSurrogate(space, seed, Prior(space, old_bank(space), 1, "ridge"), "ridge")


def test_an_earlier_run_that_resembles_this_one_helps():
    space = ToySpace(length=8, clusters=3)
    few, asked = drawn(space, 12, 0), drawn(space, 200, 9)
    prior = Prior(space, old_bank(space), 0, "ridge")
    model = TransferSurrogate(space, 0, prior, "trees")
    # one cluster, so that its truth is what the earlier run averaged over
    model.fit(observed(space, few, lambda loss: loss.mean(keepdims=True)))
    truth = np.asarray([space.loss(one).mean() for one in asked])
    model.fit(observed(space, few, lambda loss: loss.mean(keepdims=True)))
    ours = spearmanr(model.predict(asked)[0][:, 0], truth).statistic
    model._plain.fit(observed(space, few, lambda loss: loss.mean(keepdims=True)))
    plain = spearmanr(model._plain.predict(asked)[0][:, 0], truth).statistic
    assert ours > plain + 0.1
    assert model.quality.model.endswith("+ transfer")
    gap = model.quality.measured - model.quality.predicted
    assert model.quality.rmse == pytest.approx(np.sqrt((gap**2).mean(axis=0)))
    assert model.quality.compared["with transfer"] >= model.quality.compared["without transfer"]


def test_an_earlier_run_of_the_opposite_is_dropped():
    space = ToySpace()
    wrong = [replace(one, loss=1.0 / one.loss) for one in old_bank(space)]
    model = TransferSurrogate(space, 0, Prior(space, wrong, 0, "ridge"), "ridge")
    model.fit(observed(space, drawn(space, 20, 0)))
    asked = drawn(space, 30, 9)
    assert not model.quality.model.endswith("+ transfer")
    assert model.predict(asked)[0] == pytest.approx(model._plain.predict(asked)[0])


def test_the_prior_is_standardised_and_ranks_as_the_earlier_run_did():
    space = ToySpace()
    bank = old_bank(space)
    prior = Prior(space, bank, 0, "ridge")
    value = prior([one.trial.architecture for one in bank])
    assert abs(value.mean()) < 0.1
    assert 0.7 < value.std() < 1.1
    assert spearmanr(value, [one.loss[0] for one in bank]).statistic > 0.9
    assert len(prior([])) == 0


def test_lines_are_those_of_least_squares_never_falling():
    rng = np.random.default_rng(0)
    prior = rng.standard_normal(20)
    target = np.stack([2 + 3 * prior, 1 - prior, np.full(20, np.nan), 5 + 0 * prior], axis=1)
    target[3:, 3] = np.nan
    target[::3, 0] += 0.5
    start, slope = fit_lines(prior, target)
    wanted = np.polyfit(prior, target[:, 0], 1)
    assert (slope[0], start[0]) == pytest.approx(tuple(wanted))
    assert slope[1:] == pytest.approx([0.0, 0.0, 0.0])
    assert start[1] == pytest.approx(target[:, 1].mean())
    assert start[3] == pytest.approx(5.0)


def test_another_space_is_refused_in_one_line():
    space = ToySpace()
    other = [
        replace(
            one,
            trial=replace(one.trial, architecture=replace(one.trial.architecture, space="cells")),
        )
        for one in old_bank(space)
    ]
    with pytest.raises(InputError, match="searched cells, this one searches toy") as caught:
        Prior(space, other)
    assert "\n" not in str(caught.value)


def test_a_bank_that_does_not_vary_is_refused():
    space = ToySpace()
    with pytest.raises(InputError, match="do not differ"):
        Prior(space, observed(space, drawn(space, 10, 0), lambda loss: np.ones(2)))
