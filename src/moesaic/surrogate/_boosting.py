"""Gradient boosting: many shallow trees, each for what the ones before it left over."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from moesaic.surrogate._base import Floats
from moesaic.surrogate._inputs import Inputs
from moesaic.surrogate._principal import Principal
from moesaic.surrogate._regressor import Regressor

LEADING = 2


class Boosting(Regressor):
    """Boosts the 2 leading principal components of the targets (Friedman, 2002).

    The rest is predicted by its mean, so that the time does not grow with the clusters. The
    standard deviation is one number a cluster, what the model leaves over of what it was
    fitted on: it is of use only after calibration on held-out values.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from the features of n inputs and (n, m)."""
        self._principal = Principal()
        parts = self._principal.fit(target)
        self._components = parts.shape[1]
        features = np.ascontiguousarray(inputs.features, dtype=np.float32)
        self._models = []
        for column in range(min(LEADING, self._components)):
            model = GradientBoostingRegressor(
                n_estimators=150,
                learning_rate=0.06,
                max_depth=4,
                min_samples_leaf=3,
                subsample=0.6,
                max_features=0.3,
                random_state=(self._seed + column) % 2**32,
            )
            self._models.append(model.fit(features, parts[:, column]))
        left = target - self._mean(inputs)
        self._spread = np.maximum(left.std(axis=0), 1e-3)

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m)."""
        mean = self._mean(inputs)
        return mean, np.tile(self._spread, (len(mean), 1))

    def _mean(self, inputs: Inputs) -> Floats:
        features = np.ascontiguousarray(inputs.features, dtype=np.float32)
        parts = np.zeros((len(features), self._components))
        for column, model in enumerate(self._models):
            parts[:, column] = model.predict(features)
        return self._principal.back(parts, np.zeros_like(parts))[0]
