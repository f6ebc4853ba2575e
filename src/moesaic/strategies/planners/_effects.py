"""What families are worth in a mixture: an additive model with small pair terms, and draws of it.

It learns from what was told; it chooses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PENALTIES = np.logspace(-2, 2, 9)
# Variance of a pair term over that of a family effect.
PAIR_SHARE = 0.1
# Weight, in mixtures, of the belief that a family fails as often as the others.
BELIEF = 2.0


@dataclass(frozen=True, eq=False)
class Effects:
    """One draw of what a mixture of families would measure.

    The value of families S is p(S) (accuracy(S) - floor), where accuracy(S) is base plus the
    effects of S and of its pairs, and p(S) = min(1, success * prod of odds over S) is the
    chance that its training succeeds.

    Attributes:
        base: accuracy of a mixture of average families.
        family: (n,) effects, in accuracy.
        pair: (n, n) pair terms, symmetric, zero on the diagonal.
        floor: the lowest accuracy told, which is what a failure is worth.
        success: share of the trials that succeeded.
        odds: (n,) success of the mixtures with a family over that of all.
    """

    base: float
    family: Floats
    pair: Floats
    floor: float
    success: float
    odds: Floats

    def value(self, members: NDArray[np.int64]) -> Floats:
        """Return the value (q,) of mixtures (q, K) of family indices, in accuracy above floor."""
        accuracy = self.base + self.family[members].sum(axis=1)
        for one in range(members.shape[1]):
            for other in range(one):
                accuracy = accuracy + self.pair[members[:, one], members[:, other]]
        chance = np.minimum(1.0, self.success * self.odds[members].prod(axis=1))
        value: Floats = chance * np.maximum(accuracy - self.floor, 0.0)
        return value


class EffectsModel:
    """Ridge regression of accuracy on the families of a mixture and on their pairs.

    In Bayesian terms: effects ~ N(0, t^2), pair terms ~ N(0, PAIR_SHARE t^2), and noise
    N(0, s^2). The penalty s^2 / t^2 of the family effects is chosen by leave-one-out (in closed
    form, Golub, Heath and Wahba 1979). The posterior is drawn by Matheron's rule: a draw of the
    prior, corrected by what it gets wrong (Journel and Huijbregts 1978), so that no matrix
    grows with the number of pairs.
    """

    def __init__(self, held: Floats, accuracy: Floats) -> None:
        """Fit to what was told.

        Args:
            held: (m, n) 1 where a mixture contains a family; failures included.
            accuracy: (m,) NaN where its trial failed; two at least are not.
        """
        worked = np.isfinite(accuracy)
        self._held, target = held[worked], accuracy[worked]
        self._base = float(target.mean())
        self._target = target - self._base
        self._floor = float(target.min())
        penalty, error = self._penalty()
        self._noise = max(error, 1e-12) ** 0.5
        self._scale = self._noise / penalty**0.5
        shared = self._held @ self._held.T
        prior = shared + PAIR_SHARE * shared * (shared - 1.0) / 2.0
        self._covariance = self._scale**2 * prior + self._noise**2 * np.eye(len(target))
        self._success = float(worked.mean())
        tried = held.sum(axis=0)
        rate = (self._held.sum(axis=0) + BELIEF * self._success) / (tried + BELIEF)
        self._odds = rate / self._success

    def draw(self, count: int, rng: np.random.Generator) -> list[Effects]:
        """Return `count` independent draws of the posterior."""
        families = self._held.shape[1]
        rows, columns = np.triu_indices(families, 1)
        family = self._scale * rng.standard_normal((count, families))
        pair = np.zeros((count, families, families))
        terms = PAIR_SHARE**0.5 * self._scale * rng.standard_normal((count, len(rows)))
        pair[:, rows, columns] = pair[:, columns, rows] = terms
        noise = self._noise * rng.standard_normal((count, len(self._target)))
        within = np.einsum("mi,cij,mj->cm", self._held, pair, self._held, optimize=True) / 2.0
        wrong = self._target - family @ self._held.T - within - noise
        correction = np.linalg.solve(self._covariance, wrong.T).T * self._scale**2
        family = family + correction @ self._held
        both = np.einsum("cm,mi,mj->cij", correction, self._held, self._held, optimize=True)
        pair = pair + PAIR_SHARE * both
        pair[:, np.arange(families), np.arange(families)] = 0.0
        return [
            Effects(self._base, one, two, self._floor, self._success, self._odds)
            for one, two in zip(family, pair, strict=True)
        ]

    def _penalty(self) -> tuple[float, float]:
        """Return the penalty with the least leave-one-out error, and that mean squared error."""
        left, values, _ = np.linalg.svd(self._held - self._held.mean(axis=0), full_matrices=False)
        projected = left.T @ self._target
        errors = []
        for penalty in PENALTIES:
            kept = values**2 / (values**2 + penalty)
            hat = left**2 @ kept + 1.0 / len(self._target)
            residual = self._target - left @ (kept * projected)
            errors.append(float(np.mean((residual / np.maximum(1.0 - hat, 1e-3)) ** 2)))
        best = int(np.argmin(errors))
        return float(PENALTIES[best]), errors[best]
