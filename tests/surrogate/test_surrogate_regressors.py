"""The regressors against independent references in scikit-learn."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV

from moesaic.surrogate._boosting import Boosting
from moesaic.surrogate._evidence import density, matern, squares, tune
from moesaic.surrogate._gaussian_process import GaussianProcess, Posterior
from moesaic.surrogate._inputs import without_graphs
from moesaic.surrogate._principal import Principal
from moesaic.surrogate._ridge import PENALTIES, Ridge
from moesaic.surrogate._trees import Trees


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
    ours.fit(without_graphs(inputs), target)
    theirs = RidgeCV(PENALTIES, alpha_per_target=True).fit(inputs, target)
    assert ours.predict(without_graphs(asked))[0] == pytest.approx(theirs.predict(asked), abs=1e-8)


def test_ridge_is_less_certain_far_away(data):
    inputs, target, asked = data
    ours = Ridge()
    ours.fit(without_graphs(inputs), target)
    near, far = (ours.predict(without_graphs(factor * asked))[1] for factor in (1, 100))
    assert np.all(far > near)


def test_trees_equal_scikit_learn(data):
    inputs, target, asked = data
    ours = Trees(3)
    ours.fit(without_graphs(inputs), target)
    mean, std = ours.predict(without_graphs(asked))
    assert mean == pytest.approx(ours._forest.predict(asked), abs=1e-6)
    assert np.all(std > 0)


def test_a_posterior_equals_scikit_learn_at_its_hyperparameters(data):
    inputs, target, asked = data
    parts = Principal().fit(target)
    ours = Posterior(tune(inputs, parts, None)[0], inputs, parts, None)
    mean, variance = ours.predict(asked, None)
    for column in range(2):
        signal = float(ours.signal[column])
        kernel = ConstantKernel(signal, "fixed") * Matern(ours.kernel.length, "fixed", nu=2.5)
        noise = WhiteKernel(signal * float(ours.noise[column]), "fixed")
        theirs = GaussianProcessRegressor(kernel + noise, optimizer=None)
        theirs.fit(inputs, parts[:, column])
        expected_mean, expected_std = theirs.predict(asked, return_std=True)
        assert mean[:, column] == pytest.approx(expected_mean, abs=1e-6)
        assert np.sqrt(variance[:, column]) == pytest.approx(expected_std, rel=1e-4)


def test_it_learns_which_features_matter(data):
    inputs, target, _ = data
    for kernel in tune(inputs, target[:, 1:], None):
        assert kernel.length[2] == kernel.length.min()
        assert kernel.length[2] < 0.5 * np.median(kernel.length)


def test_many_observations_settle_on_one_kernel_and_few_on_several():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((60, 3))
    assert len(tune(inputs, inputs[:, :1], None)) == 1
    assert len(tune(inputs[:20], inputs[:20, :1], None)) > 1


def test_the_gradient_of_the_density_is_that_of_finite_differences(data):
    inputs, target, _ = data
    rng = np.random.default_rng(1)
    other = rng.standard_normal((40, 3))
    shared = np.exp(-squares(other, other))
    where = 0.3 * rng.standard_normal(6 + 1 + 2)
    centre, spread = np.zeros(9), np.full(9, 1.5)

    def value(place):
        return density(place, inputs, target, shared, centre, spread)[0]

    slope = density(where, inputs, target, shared, centre, spread)[1]
    assert slope == pytest.approx(approx_fprime(where, value, 1e-6), rel=1e-3, abs=1e-3)


def test_matern_is_a_correlation():
    values = matern(np.array([0.0, 0.5, 1.0, 5.0]))
    assert values[0] == 1.0
    assert np.all(np.diff(values) < 0)


def test_many_observations_are_thinned():
    rng = np.random.default_rng(0)
    inputs = without_graphs(rng.standard_normal((1200, 3)))
    target = inputs.features[:, :1]
    ours = GaussianProcess(0)
    ours.fit(inputs, target)
    first = inputs.take(np.arange(50))
    assert ours.predict(first)[0] == pytest.approx(target[:50], abs=0.1)


def test_principal_components_are_uncorrelated_and_can_be_undone(data):
    _, target, _ = data
    principal = Principal()
    parts = principal.fit(target)
    assert parts.T @ parts / 40 == pytest.approx(np.eye(2), abs=1e-9)
    assert principal.back(parts, np.zeros_like(parts))[0] == pytest.approx(target)
    # Two clusters that move together are one component.
    assert Principal().fit(target[:, [0, 0]]).shape == (40, 1)


def test_boosting_finds_what_a_line_cannot(data):
    inputs, _, _ = data
    curve = inputs[:, 0] ** 2 - np.mean(inputs[:, 0] ** 2)
    target = np.stack([curve, -curve], axis=1)
    ours = Boosting(0)
    ours.fit(without_graphs(inputs), target)
    mean, std = ours.predict(without_graphs(inputs))
    assert np.corrcoef(mean[:, 0], target[:, 0])[0, 1] > 0.9
    assert mean[:, 1] == pytest.approx(-mean[:, 0], abs=1e-6)
    assert np.all(std > 0)
