"""Losses after fewer epochs, or on less data, as further inputs; it fits nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture
from moesaic.surrogate._base import Floats
from moesaic.surrogate._encode import LEAST_LOSS


class LowerFidelity:
    """What architectures reached in cheaper trainings; to be given to `surrogate.inform`.

    The logarithm of the loss on every cluster, which is what a surrogate models. An architecture
    that was trained more than once has the mean of them; one that never was has NaN, for which a
    surrogate puts the lowest value it has seen: ask about those that have a cheaper training.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        """Read the experts among observations of one cheaper recipe.

        Raises:
            InputError: no expert among them, or loss vectors of different lengths.
        """
        rows: dict[str, list[Floats]] = {}
        for one in observations:
            if one.trial.architecture is not None:
                loss = np.asarray(one.loss, dtype=np.float64)
                known = np.where(np.isfinite(loss), np.maximum(loss, LEAST_LOSS), np.nan)
                rows.setdefault(one.trial.architecture.key, []).append(np.log(known))
        lengths = {len(row) for found in rows.values() for row in found}
        if len(lengths) != 1:
            raise InputError(
                f"loss vectors have lengths {sorted(lengths)}: give experts with one length M"
            )
        self.clusters = lengths.pop()
        self._known = {key: np.mean(found, axis=0) for key, found in rows.items()}

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        """Return the log losses (n, M), NaN where there is none."""
        nothing = np.full(self.clusters, np.nan)
        rows = [self._known.get(one.key, nothing) for one in architectures]
        return np.stack(rows) if rows else np.empty((0, self.clusters))
