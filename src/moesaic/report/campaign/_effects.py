"""Additive and pairwise effects under a ceiling, and how sure they are; it names no family.

accuracy = ceiling * logistic(level + sum of the effects of its families and pairs) + noise.
Effects add up on the scale of the logistic, not on that of accuracy: two good experts do not
reach twice the gain of one, and a bad one cannot push accuracy below zero. Effects are normal
around zero, families and pairs each with a spread of their own. The spreads, the noise and the
ceiling maximise the marginal likelihood in Laplace's approximation (Tierney and Kadane 1986) times
weak priors; that of the spreads keeps them off zero (Chung et al. 2013). Nothing is tuned on
held-out rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

Floats = NDArray[np.float64]
_LEVEL_PRECISION = 0.01  # of the prior of the level: it may be anything
_NOISE_SPREAD = 1.0  # of the prior of the noise around .03, in logs: few rows can be fitted exactly
_CEILING_SPREAD = 1.5  # of the prior of the ceiling's place between best and 1, in logits
_START = {"spread": np.log(0.4), "noise": np.log(0.03), "ceiling": -2.0}
_BOUNDS = {"spread": (-7.0, 2.0), "noise": (-9.0, 0.0), "ceiling": (-7.0, 5.0)}


@dataclass(frozen=True)
class Effects:
    """Fitted effects, on the scale of the logistic.

    Attributes:
        mode: (1 + F + P,) level, families, pairs.
        precision: (1 + F + P, 1 + F + P) of the normal approximation around the mode.
        ceiling: accuracy that no mixture exceeds.
        noise: standard deviation of one training, in accuracy.
        spread: standard deviation of effects of families, of pairs (where there are any).
    """

    mode: Floats
    precision: Floats
    ceiling: float
    noise: float
    spread: tuple[float, ...]

    def predict(self, columns: Floats) -> Floats:
        """Return the accuracy (n,) expected of candidates, given their columns (n, 1 + F + P)."""
        expected: Floats = self.ceiling * expit(columns @ self.mode)
        return expected

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Draw (count, 1 + F + P) from what is known of the effects."""
        factor = np.linalg.cholesky(self.precision)
        normal = rng.standard_normal((len(self.mode), count))
        drawn: Floats = self.mode + solve_triangular(factor, normal, lower=True, trans="T").T
        return drawn

    def leave_one_out(self, columns: Floats, accuracy: Floats) -> Floats:
        """Return what the other rows predict for each row, (n,), in closed form.

        Spreads, noise and ceiling stay those of all rows; one Newton step takes a row away.

        Args:
            columns: (n, 1 + F + P) that the effects were fitted to.
            accuracy: (n,) likewise.
        """
        expected = self.predict(columns)
        slope = expected * (1.0 - expected / self.ceiling)
        inverse = cho_solve(cho_factor(self.precision), columns.T)
        own = np.einsum("ij,ji->i", columns, inverse) * (slope / self.noise) ** 2
        residual = (accuracy - expected) / np.maximum(slope, 1e-6)
        away = own / np.maximum(1.0 - own, 1e-6) * residual
        left: Floats = self.ceiling * expit(columns @ self.mode - away)
        return left


def fit_effects(columns: Floats, accuracy: Floats, groups: tuple[int, ...]) -> Effects:
    """Fit the effects and everything that governs them.

    Args:
        columns: (n, 1 + F + P): a one, then centred columns.
        accuracy: (n,) in 0 .. 1, not all equal.
        groups: (F,) or (F, P): how many columns share a spread.
    """
    return _Fit(columns, accuracy, groups).best()


class _Fit:
    """The search for the spreads, the noise and the ceiling; starts each mode at the last."""

    def __init__(self, columns: Floats, accuracy: Floats, groups: tuple[int, ...]) -> None:
        self._columns, self._accuracy, self._groups = columns, accuracy, groups
        self._best = float(accuracy.max())
        self._mode = np.zeros(columns.shape[1])

    def best(self) -> Effects:
        names = ["spread"] * len(self._groups) + ["noise", "ceiling"]
        found = minimize(
            lambda place: -self._evidence(place),
            [_START[name] for name in names],
            method="Nelder-Mead",
            bounds=[_BOUNDS[name] for name in names],
            options={"xatol": 0.03, "fatol": 0.01, "maxiter": 400},
        )
        return self._at(found.x)

    def _evidence(self, place: Floats) -> float:
        fitted = self._at(place)
        prior = self._prior(fitted.spread)
        logdet = 2.0 * np.log(np.diag(cho_factor(fitted.precision)[0])).sum() - np.log(prior).sum()
        logs, log_noise, above = place[:-2], place[-2], place[-1]
        believed = (
            logs.sum()
            - np.exp(logs).sum()
            - 0.5 * ((log_noise - _START["noise"]) / _NOISE_SPREAD) ** 2
            - 0.5 * (above / _CEILING_SPREAD) ** 2
        )
        rows = len(self._accuracy) * np.log(fitted.noise)
        cost = self._cost(fitted.mode, prior, fitted.noise, fitted.ceiling)
        return float(believed - cost - rows - 0.5 * logdet)

    def _at(self, place: Floats) -> Effects:
        """Return the effects at given spreads, noise and ceiling, by damped Gauss-Newton."""
        *logs, log_noise, above = place.tolist()
        spread, noise = tuple(np.exp(logs).tolist()), float(np.exp(log_noise))
        ceiling = self._best + (1.0 - self._best) * float(expit(above))
        prior = self._prior(spread)
        mode = self._mode
        cost = self._cost(mode, prior, noise, ceiling)
        for _ in range(50):
            expected = ceiling * expit(self._columns @ mode)
            scaled = self._columns * (expected * (1.0 - expected / ceiling) / noise)[:, None]
            precision = scaled.T @ scaled + np.diag(prior)
            slope = scaled.T @ ((self._accuracy - expected) / noise) - prior * mode
            step = cho_solve(cho_factor(precision), slope)
            if slope @ step < 1e-3:  # twice what another step would gain in log density
                break
            length = 1.0
            while length > 1e-4:
                tried = self._cost(mode + length * step, prior, noise, ceiling)
                if tried < cost:
                    break
                length /= 2.0
            else:
                break
            mode, cost = mode + length * step, tried
        self._mode = mode
        return Effects(mode, precision, ceiling, noise, spread)

    def _prior(self, spread: tuple[float, ...]) -> Floats:
        """Return the precision (1 + F + P,) that every coefficient has before any row."""
        own = np.repeat(1.0 / np.square(spread), self._groups)
        return np.concatenate([[_LEVEL_PRECISION], own])

    def _cost(self, mode: Floats, prior: Floats, noise: float, ceiling: float) -> float:
        residual = (self._accuracy - ceiling * expit(self._columns @ mode)) / noise
        return float(0.5 * (residual @ residual + prior @ mode**2))
