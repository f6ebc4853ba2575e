"""What a subset may cost, checked for many subsets at a time; it scores none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.selection._problem import SLACK

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """Costs of the experts and the limits on a subset; None means no limit.

    Attributes:
        macs: (E,).
        parameters: (E,).
        max_macs: on the sum of the `active` dearest members: no sample can cost more.
        max_parameters: on the sum over all members.
        active: how many members run on a sample.
    """

    macs: Doubles
    parameters: Doubles
    max_macs: float | None
    max_parameters: float | None
    active: int

    @property
    def limited(self) -> bool:
        """Whether there is anything to check."""
        return self.max_macs is not None or self.max_parameters is not None

    def excess(self, subsets: NDArray[np.int64]) -> Doubles:
        """Return by how much each of the subsets (S, K) breaks the limits, relative, (S,)."""
        found = np.zeros(len(subsets))
        if self.max_parameters is not None:
            total = self.parameters[subsets].sum(axis=1)
            found += np.maximum(total / max(self.max_parameters, 1.0) - 1.0 - SLACK, 0.0)
        if self.max_macs is not None:
            dearest = np.sort(self.macs[subsets], axis=1)[:, -self.active :]
            total = dearest.sum(axis=1)
            found += np.maximum(total / max(self.max_macs, 1.0) - 1.0 - SLACK, 0.0)
        return found
