"""Targets turned into uncorrelated ones, the strongest first; it models nothing."""

from __future__ import annotations

import numpy as np

from moesaic.surrogate._base import Floats


class Principal:
    """Principal components (n, k) of standardised targets (n, m), each of variance 1.

    Clusters share most of what makes an expert good. The first component averages their
    noise away; the later ones, where noise outweighs the rest, can be shrunk on their own.
    """

    def fit(self, target: Floats) -> Floats:
        """Learn the directions; return the components of the targets."""
        self._centre = target.mean(axis=0)
        values, vectors = np.linalg.eigh((target - self._centre).T @ (target - self._centre))
        kept = values > 1e-9 * max(float(values[-1]), 1e-12)
        vectors = vectors[:, kept][:, ::-1]
        # An eigenvector's sign is arbitrary: its largest entry is made positive.
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), range(kept.sum())])
        scale = np.sqrt(values[kept][::-1] / len(target))
        self._back = (vectors * scale).T
        components: Floats = (target - self._centre) @ vectors / scale
        return components

    def back(self, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (q, m) from those of the components (q, k)."""
        return mean @ self._back + self._centre, np.sqrt(std**2 @ self._back**2)
