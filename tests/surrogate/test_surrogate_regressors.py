"""The regressors against independent references in scikit-learn."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV

from moesaic.surrogate._gaussian_process import GaussianProcess, matern
from moesaic.surrogate._ridge import PENALTIES, Ridge


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((40, 6))
    target = np.stack([inputs[:, 0] + 0.1 * inputs[:, 1], np.sin(2 * inputs[:, 2])], axis=1)
    target += 0.1 * rng.standard_normal(target.shape)
    return inputs, (target - target.mean(axis=0)) / target.std(axis=0), rng.standard_normal((9, 6))


def test_ridge_equals_scikit_learn(data):
    inputs, target, asked = data
    ours = Ridge()
    ours.fit(inputs, target)
    theirs = RidgeCV(PENALTIES, alpha_per_target=True).fit(inputs, target)
    assert ours.predict(asked)[0] == pytest.approx(theirs.predict(asked), abs=1e-8)


def test_ridge_is_less_certain_far_away(data):
    inputs, target, asked = data
    ours = Ridge()
    ours.fit(inputs, target)
    assert np.all(ours.predict(100 * asked)[1] > ours.predict(asked)[1])


def test_the_gaussian_process_equals_scikit_learn_at_its_hyperparameters(data):
    inputs, target, asked = data
    ours = GaussianProcess(0)
    ours.fit(inputs, target)
    mean, std = ours.predict(asked)
    for column in range(2):
        signal = float(ours._signal[column])
        kernel = ConstantKernel(signal, "fixed") * Matern(ours._length, "fixed", nu=2.5)
        noise = WhiteKernel(signal * float(ours._noise[column]), "fixed")
        theirs = GaussianProcessRegressor(kernel + noise, optimizer=None)
        theirs.fit(inputs, target[:, column])
        expected_mean, expected_std = theirs.predict(asked, return_std=True)
        assert mean[:, column] == pytest.approx(expected_mean, abs=1e-6)
        assert std[:, column] == pytest.approx(expected_std, rel=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_grid_is_near_the_best_marginal_likelihood(data):
    inputs, target, _ = data
    ours = GaussianProcess(0)
    ours.fit(inputs, target)
    for column in range(2):
        kernel = ConstantKernel() * Matern(nu=2.5) + WhiteKernel()
        theirs = GaussianProcessRegressor(kernel, n_restarts_optimizer=3, random_state=0)
        theirs.fit(inputs, target[:, column])
        signal, noise = float(ours._signal[column]), float(ours._noise[column])
        at_ours = theirs.log_marginal_likelihood(np.log([signal, ours._length, signal * noise]))
        assert at_ours > theirs.log_marginal_likelihood_value_ - 8.0


def test_matern_is_a_correlation():
    values = matern(np.array([0.0, 0.5, 1.0, 5.0]))
    assert values[0] == 1.0
    assert np.all(np.diff(values) < 0)


def test_many_observations_are_thinned():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((1200, 3))
    target = inputs[:, :1]
    ours = GaussianProcess(0)
    ours.fit(inputs, target)
    assert ours.predict(inputs[:50])[0] == pytest.approx(target[:50], abs=0.1)
