"""A Gaussian process over all clusters, on features or on features and graphs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moesaic.surrogate._base import Floats
from moesaic.surrogate._evidence import Kernel, tune
from moesaic.surrogate._inputs import Inputs
from moesaic.surrogate._principal import Principal
from moesaic.surrogate._regressor import Regressor
from moesaic.surrogate._weisfeiler_lehman import GraphKernel

NOISES = np.logspace(-4, 1, 16)
TUNE_ON = 150
LEARN_ON = 1000
LEADING = 3
BASIS = 200
CHUNK = 2048


class GaussianProcess(Regressor):
    """One kernel for the principal components of the targets, signal and noise for each.

    Length scales (and the share of the graph kernel) are tuned on the 3 leading components
    of at most 150 observations. Up to 50 observations several kernels are averaged. Above
    1000 observations it learns from 1000 drawn ones.
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
        kernels = tune(
            inputs.features[some],
            parts[some, :LEADING],
            None if shared is None else shared[np.ix_(some, some)],
        )
        self._posteriors = [Posterior(one, inputs.features, parts, shared) for one in kernels]

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m) of a new, noisy measurement."""
        means, stds = [], []
        for start in range(0, len(inputs), CHUNK):
            some = inputs.take(np.arange(start, min(start + CHUNK, len(inputs))))
            shared = None if self._alike is None else self._alike.across(some.graphs)
            told = [one.predict(some.features, shared) for one in self._posteriors]
            every = np.stack([mean for mean, _ in told])
            means.append(every.mean(axis=0))
            inner = np.mean([variance for _, variance in told], axis=0)
            stds.append(np.sqrt(inner + every.var(axis=0)))
        return self._principal.back(np.vstack(means), np.vstack(stds))

    def _some(self, count: int, most: int) -> NDArray[np.int64]:
        if count <= most:
            return np.arange(count)
        return np.sort(self._rng.permutation(count)[:most])


class Posterior:
    """What a kernel and observations say of k components, by one eigendecomposition."""

    def __init__(
        self, kernel: Kernel, features: Floats, parts: Floats, shared: Floats | None
    ) -> None:
        """Condition on features (n, F), components (n, k) and the graph kernel (n, n), if any."""
        self.kernel, self._features = kernel, features
        values, basis = np.linalg.eigh(kernel.between(features, features, shared))
        values, projected = np.maximum(values, 0.0), basis.T @ parts
        self.noise, self.signal = _likeliest(values, projected)
        inverse = 1.0 / (values[:, None] + self.noise)
        self._weights = basis @ (projected * inverse)
        # What the weak directions explain of a variance is left out: it costs more than it tells.
        self._basis, self._inverse = basis[:, -BASIS:], inverse[-BASIS:]

    def predict(self, features: Floats, shared: Floats | None) -> tuple[Floats, Floats]:
        """Return mean and variance (q, k) at features (q, F), the graph kernel (q, n) given."""
        across = self.kernel.between(features, self._features, shared)
        explained = (across @ self._basis) ** 2 @ self._inverse
        own = 1.0 + self.kernel.graph + self.noise
        return across @ self._weights, self.signal * np.maximum(own - explained, 1e-6)


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
