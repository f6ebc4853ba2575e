"""What the `joint` strategy trains on when masks are drawn; architectures are chosen elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation
from moesaic.seeds import derive_seed
from moesaic.strategies._masks import Mask, MaskSampler, as_mask
from moesaic.strategies._transfer import spectral_groups, transfer_matrix


class SubsetPlan:
    """Plans subsets: everything, drawn masks, then the groups found.

    The first `initial` trainings are generalists, the next `explore` see drawn masks: every cluster
    alone, again and again, where that is affordable (twice each or more), for what an expert of
    one cluster knows of another can have come from nowhere else; else log-uniform ones of at most
    a fifth of the clusters. From then on the clusters are in K groups, by what the experts of drawn
    masks know of clusters they never saw, and every training sees one group. Experts of whole
    groups have no say in it: on clusters of classes they never saw, far from what they saw, they
    may be right by accident, and every group is right about what it was given.
    """

    def __init__(
        self, weight: NDArray[np.float64], groups: int, seed: int, initial: int, explore: int
    ) -> None:
        """Args: shares (M,), K, the run's seed, and how many trainings see all and drawn masks."""
        clusters = len(weight)
        self._weight, self._groups, self._seed = weight, groups, seed
        self._initial, self._explore = initial, explore
        self._alone = explore >= 2 * clusters
        self._largest = largest = 1 if self._alone else max(1, clusters // 5)
        self._sampler = MaskSampler(clusters, seed, "strategy/joint/masks", largest=largest)
        self._told: dict[str, Observation] = {}
        self._found: NDArray[np.int64] | None = None

    def tell(self, observations: Sequence[Observation]) -> None:
        """Take in finished trials; the groups are found anew when they are asked for."""
        self._told.update({one.trial.key: one for one in observations})
        self._found = None

    def subset(self, index: int) -> Mask | None:
        """Return what training number `index` of the run sees, M booleans, or None for all."""
        if index < self._initial:
            return None
        if index < self._initial + self._explore:
            return self._sampler.mask(index - self._initial)
        return as_mask(self.groups() == (index - self._initial) % self._groups)

    def refines(self, index: int) -> bool:
        """Whether training number `index` sees a group that was found."""
        return index >= self._initial + self._explore

    def groups(self) -> NDArray[np.int64]:
        """Return the group of every cluster, (M,), by all that was told."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def _find(self) -> NDArray[np.int64]:
        keys = [
            key
            for key in sorted(self._told)
            if 1 <= sum(self._told[key].trial.subset or ()) <= self._largest
        ]
        clusters = len(self._weight)
        if not keys:
            return np.arange(clusters) % self._groups
        masks = np.array([self._told[key].trial.subset for key in keys], dtype=bool)
        accuracy = np.stack([self._told[key].accuracy for key in keys])
        accuracy = np.where(self._weight > 0, accuracy, np.nan)
        seed = derive_seed(self._seed, "strategy/joint/groups", len(keys))
        mutual = self._alone and bool(masks.any(axis=0).all())
        return spectral_groups(transfer_matrix(masks, accuracy), self._groups, seed, mutual)
