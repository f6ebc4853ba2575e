"""A Gaussian process over all clusters, on features or on features and graphs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moesaic.surrogate._base import Floats
from moesaic.surrogate._evidence import tune
from moesaic.surrogate._inputs import Inputs
from moesaic.surrogate._principal import Principal
from moesaic.surrogate._regressor import Regressor
from moesaic.surrogate._weisfeiler_lehman import GraphKernel

NOISES = np.logspace(-4, 1, 16)
TUNE_ON = 200
LEARN_ON = 1000
LEADING = 3
BASIS = 200
CHUNK = 2048


class GaussianProcess(Regressor):
    """One kernel for the principal components of the targets, signal and noise for each.

    Length scales (and the share of the graph kernel) are tuned on the 3 leading components
    of at most 200 observations; one eigendecomposition of the kernel then gives every
    component its own noise and signal. Above 1000 observations it learns from 1000 drawn ones.
    """

    def __init__(self, seed: int, graphs: bool = False) -> None:
        """Args: seed: of the draws; graphs: whether a Weisfeiler-Lehman kernel is added."""
        self._rng = np.random.default_rng(seed)
        self._alike = GraphKernel() if graphs else None

    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from n inputs and (n, m)."""
        kept = self._some(len(inputs), LEARN_ON)
        inputs, target = inputs.take(kept), target[kept]
        self._principal = Principal()
        parts = self._principal.fit(target)
        shared = None if self._alike is None else self._alike.fit(inputs.graphs)
        some = self._some(len(inputs), TUNE_ON)
        self._features = inputs.features
        self._kernel = tune(
            inputs.features[some],
            parts[some, :LEADING],
            None if shared is None else shared[np.ix_(some, some)],
        )
        values, basis = np.linalg.eigh(self._kernel.between(self._features, self._features, shared))
        values, projected = np.maximum(values, 0.0), basis.T @ parts
        self._noise, self._signal = _likeliest(values, projected)
        inverse = 1.0 / (values[:, None] + self._noise)
        self._weights = basis @ (projected * inverse)
        # What the weak directions explain of a variance is left out: it costs more than it tells.
        self._basis, self._inverse = basis[:, -BASIS:], inverse[-BASIS:]
        self._same = 1.0 + self._kernel.graph

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m) of a new, noisy measurement."""
        mean = np.empty((len(inputs), self._weights.shape[1]))
        variance = np.empty_like(mean)
        for start in range(0, len(inputs), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(inputs)))
            some = inputs.take(rows)
            shared = None if self._alike is None else self._alike.across(some.graphs)
            across = self._kernel.between(some.features, self._features, shared)
            mean[rows] = across @ self._weights
            explained = (across @ self._basis) ** 2 @ self._inverse
            variance[rows] = self._signal * np.maximum(self._same + self._noise - explained, 1e-6)
        return self._principal.back(mean, np.sqrt(variance))

    def _some(self, count: int, most: int) -> NDArray[np.int64]:
        if count <= most:
            return np.arange(count)
        return np.sort(self._rng.permutation(count)[:most])


class GraphProcess(GaussianProcess):
    """The Gaussian process whose kernel also compares graphs."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, graphs=True)


def _likeliest(values: Floats, projected: Floats) -> tuple[Floats, Floats]:
    """Return noise (relative to the signal) and signal variance (k,) of every component.

    Args:
        values: (n,) eigenvalues of the kernel.
        projected: (n, k) targets in its eigenvectors.
    """
    scores, signals = [], []
    for noise in NOISES:
        spectrum = values + noise
        signal = np.mean(projected**2 / spectrum[:, None], axis=0)
        signals.append(signal)
        log_signal = np.log(np.maximum(signal, 1e-300))
        scores.append(-0.5 * (len(values) * log_signal + np.log(spectrum).sum()))
    best = np.argmax(np.stack(scores), axis=0)
    return NOISES[best], np.stack(signals)[best, np.arange(len(best))]
