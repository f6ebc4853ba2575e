"""Extremely randomised trees: interactions and thresholds, no extrapolation."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from moesaic.surrogate._base import Floats
from moesaic.surrogate._inputs import Inputs
from moesaic.surrogate._regressor import Regressor

TREES = 100


class Trees(Regressor):
    """All targets in one forest; the standard deviation is that between its trees."""

    def __init__(self, seed: int) -> None:
        self._forest = ExtraTreesRegressor(
            TREES, min_samples_leaf=2, max_features=0.5, random_state=seed % 2**32
        )

    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from the features of n inputs and (n, m)."""
        self._forest.fit(inputs.features, target if target.shape[1] > 1 else target[:, 0])

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m) over the trees."""
        # The trees take 32-bit numbers: converted here once, not by each of them.
        features = np.ascontiguousarray(inputs.features, dtype=np.float32)
        votes = np.stack(
            [
                tree.tree_.predict(features).reshape(len(features), -1)
                for tree in self._forest.estimators_
            ]
        )
        return votes.mean(axis=0), np.maximum(votes.std(axis=0), 1e-3)
