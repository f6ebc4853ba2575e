"""What a strategy remembers: what it proposed and what it was told; it decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation
from moesaic.errors import InputError
from moesaic.spaces import Architecture


@dataclass(frozen=True)
class BankView:
    """Comparable experts, one row an architecture, in the order of their keys.

    Attributes:
        architectures: E of them.
        loss: (E, M) nats, averaged over repeats; NaN where never measured.
        weight: (M,) shares, 0 for clusters nobody was measured on.
    """

    architectures: tuple[Architecture, ...]
    loss: NDArray[np.float64]
    weight: NDArray[np.float64]


class Memory:
    """Proposed and told architectures, independent of the order of telling."""

    def __init__(self) -> None:
        self.proposed: dict[str, Architecture] = {}
        self._told: dict[str, Observation] = {}
        self._seen: set[str] = set()
        self._answered: set[str] = set()

    def tell(self, observations: Sequence[Observation], clusters: int) -> None:
        """Remember the observations of experts.

        Raises:
            InputError: a loss vector that has not M entries.
        """
        for one in observations:
            architecture = one.trial.architecture
            if architecture is None:
                continue
            if len(one.loss) != clusters:
                raise InputError(
                    f"a loss of {len(one.loss)} clusters was told, {clusters} expected"
                )
            self._told[one.trial.key] = one
            self._seen.add(architecture.key)
            self._answered.add(architecture.key)

    def give_up(self, architectures: Sequence[Architecture]) -> None:
        """Remember that these will not be told."""
        self._answered.update(architecture.key for architecture in architectures)

    def under_way(self) -> list[Architecture]:
        """Return what was proposed and neither told nor given up, sorted by key."""
        return [self.proposed[key] for key in sorted(set(self.proposed) - self._answered)]

    def propose(self, architecture: Architecture) -> None:
        """Remember that this one was proposed."""
        self.proposed[architecture.key] = architecture
        self._seen.add(architecture.key)

    def seen(self, architecture: Architecture) -> bool:
        """Whether it was proposed or told before."""
        return architecture.key in self._seen

    def architectures(self) -> list[Architecture]:
        """Return all proposed or told ones, sorted by key."""
        known = dict(self.proposed)
        for one in self._told.values():
            if one.trial.architecture is not None:
                known.setdefault(one.trial.architecture.key, one.trial.architecture)
        return [known[key] for key in sorted(known)]

    def comparable(self) -> list[Observation]:
        """Return the generalists of the recipe most architectures were trained with, by key.

        A specialist beats every generalist on its clusters, and a long training every short
        one: only like with like says which architecture is better. Equally common recipes:
        the later in the order of their text.
        """
        groups: dict[str, list[Observation]] = {}
        for key in sorted(self._told):
            one = self._told[key]
            if one.trial.subset is None or all(one.trial.subset):
                recipe = json.dumps(one.trial.recipe, sort_keys=True)
                groups.setdefault(recipe, []).append(one)
        if not groups:
            return []

        def rank(recipe: str) -> tuple[int, str]:
            architectures = {one.trial.architecture for one in groups[recipe]}
            return len(architectures), recipe

        return groups[max(groups, key=rank)]

    def specialists(self) -> list[Observation]:
        """Return the experts of a subset, by key, of the recipe most of them were trained with."""
        groups: dict[str, list[Observation]] = {}
        for key in sorted(self._told):
            one = self._told[key]
            if one.trial.subset is not None and not all(one.trial.subset):
                recipe = json.dumps(one.trial.recipe, sort_keys=True)
                groups.setdefault(recipe, []).append(one)
        if not groups:
            return []
        return groups[max(groups, key=lambda recipe: (len(groups[recipe]), recipe))]

    def bank(self, weight: NDArray[np.float64]) -> BankView:
        """Return the comparable experts as a loss matrix."""
        rows: dict[str, list[NDArray[np.float64]]] = {}
        architectures: dict[str, Architecture] = {}
        for one in self.comparable():
            if one.trial.architecture is not None:
                loss = np.asarray(one.loss, dtype=np.float64)
                loss = np.where(np.isfinite(loss), loss, np.nan)
                rows.setdefault(one.trial.architecture.key, []).append(loss)
                architectures[one.trial.architecture.key] = one.trial.architecture
        keys = sorted(rows)
        table = np.full((len(keys), len(weight)), np.nan)
        for place, key in enumerate(keys):
            values = np.stack(rows[key])
            known = np.isfinite(values)
            counts = known.sum(axis=0)
            sums = np.where(known, values, 0.0).sum(axis=0)
            table[place] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        measured = np.isfinite(table).any(axis=0)
        return BankView(
            tuple(architectures[key] for key in keys), table, np.where(measured, weight, 0.0)
        )
