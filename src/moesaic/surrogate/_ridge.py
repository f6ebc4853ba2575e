"""Ridge regression with its penalty chosen by leave-one-out; linear effects only."""

from __future__ import annotations

import numpy as np

from moesaic.surrogate._base import Floats
from moesaic.surrogate._inputs import Inputs
from moesaic.surrogate._regressor import Regressor

PENALTIES = np.logspace(-2, 4, 13)


class Ridge(Regressor):
    """One penalty a target, the leave-one-out error in closed form (Golub, Heath, Wahba 1979)."""

    def fit(self, inputs: Inputs, target: Floats) -> None:
        """Learn from the features of n inputs and (n, m)."""
        features = inputs.features
        self._input_mean, self._target_mean = features.mean(axis=0), target.mean(axis=0)
        left, values, self._right = np.linalg.svd(features - self._input_mean, full_matrices=False)
        self._squares = values**2
        projected = left.T @ (target - self._target_mean)
        errors = []
        for penalty in PENALTIES:
            kept = self._squares / (self._squares + penalty)
            hat = (left**2) @ kept + 1.0 / len(inputs)
            residual = target - self._target_mean - left @ (kept[:, None] * projected)
            errors.append(np.mean((residual / np.maximum(1.0 - hat, 1e-3)[:, None]) ** 2, axis=0))
        table = np.stack(errors)
        best = table.argmin(axis=0)
        self._penalty = PENALTIES[best]
        self._noise = np.sqrt(table.min(axis=0))
        shrunk = values[:, None] / (self._squares[:, None] + self._penalty)
        self._weights = self._right.T @ (shrunk * projected)

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m): the leave-one-out error and the leverage."""
        centred = inputs.features - self._input_mean
        mean = centred @ self._weights + self._target_mean
        leverage = (centred @ self._right.T) ** 2 @ (1.0 / (self._squares[:, None] + self._penalty))
        return mean, self._noise * np.sqrt(1.0 + leverage)
