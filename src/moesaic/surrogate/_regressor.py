"""What a regression model is here, and how one is fitted around missing targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from moesaic.surrogate._base import Floats
from moesaic.surrogate._inputs import Inputs

LEAST_ROWS = 4
UNKNOWN_STD = 0.5


class Regressor(ABC):
    """A model of m standardised targets; features (n, F) come standardised, without gaps."""

    @abstractmethod
    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from n inputs and (n, m)."""

    @abstractmethod
    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of a new measurement, (q, m) each."""


Maker = Callable[[int], Regressor]


class Standardised:
    """Fits one copy of a model for every pattern of missing targets, on standardised values.

    A cluster with fewer than 4 values is predicted by their mean; one with none by the mean
    of all clusters. Predictions stay within a factor of two of the values seen.
    """

    def __init__(self, make: Maker | None, seed: int) -> None:
        """Args: make: builds the model from a seed (None: always the mean); seed: what it draws."""
        self._make = make
        self._seed = seed

    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from n inputs and log losses (n, M) with NaN gaps."""
        self._centre = inputs.features.mean(axis=0)
        spread = inputs.features.std(axis=0)
        self._useful = spread > 1e-9 * (1.0 + np.abs(self._centre))
        self._spread = spread[self._useful]
        scaled = self._scale(inputs)
        known = np.isfinite(target)
        counts = known.sum(axis=0)
        filled = np.where(known, target, 0.0)
        values = target[known]
        overall = float(values.mean()) if values.size else 0.0
        self._mean = np.where(counts > 0, filled.sum(axis=0) / np.maximum(counts, 1), overall)
        squares = np.where(known, (filled - self._mean) ** 2, 0.0).sum(axis=0)
        wide = UNKNOWN_STD if values.size < LEAST_ROWS else max(float(values.std()), 1e-6)
        deviation = np.sqrt(squares / np.maximum(counts - 1, 1))
        self._deviation = np.where(counts >= LEAST_ROWS, np.maximum(deviation, 1e-9), wide)
        bottom, top = np.min(values, initial=overall), np.max(values, initial=overall)
        self._low = np.where(counts > 0, np.where(known, target, np.inf).min(axis=0), bottom)
        self._high = np.where(counts > 0, np.where(known, target, -np.inf).max(axis=0), top)
        self._fitted: list[tuple[list[int], Regressor]] = []
        patterns: dict[bytes, list[int]] = {}
        for cluster in np.flatnonzero(counts >= LEAST_ROWS):
            patterns.setdefault(known[:, cluster].tobytes(), []).append(int(cluster))
        if self._make is None or scaled.features.shape[1] == 0:
            return
        for clusters in patterns.values():
            rows = known[:, clusters[0]]
            wanted = (target[rows][:, clusters] - self._mean[clusters]) / self._deviation[clusters]
            model = self._make(self._seed)
            model.fit(scaled.take(rows), wanted)
            self._fitted.append((clusters, model))

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, M) of the log loss."""
        mean = np.tile(self._mean, (len(inputs), 1))
        std = np.tile(self._deviation, (len(inputs), 1))
        scaled = self._scale(inputs)
        for clusters, model in self._fitted:
            centre, spread = model.predict(scaled)
            mean[:, clusters] += centre * self._deviation[clusters]
            std[:, clusters] *= spread
        margin = np.log(2.0)
        mean = np.clip(mean, self._low - margin, self._high + margin)
        return mean, np.clip(std, 1e-6, 2.0)

    def _scale(self, inputs: Inputs) -> Inputs:
        centred = inputs.features - self._centre
        return inputs.showing(centred[:, self._useful] / self._spread)
