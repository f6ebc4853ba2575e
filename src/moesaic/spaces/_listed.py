"""A space of given architectures, which another space describes and builds; it adds none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from moesaic.errors import InputError
from moesaic.spaces._base import Architecture, SearchSpace


class ListedSpace(SearchSpace):
    """Only what is on the list is drawn; everything else is as in the space it belongs to.

    Isomorphic encodings may all be on the list: each is drawn as often as any other.
    """

    def __init__(self, space: SearchSpace, architectures: Sequence[Architecture]) -> None:
        """Restrict a space.

        Args:
            space: describes and builds them; its name is kept.
            architectures: the list, in an order that the draws depend on.

        Raises:
            InputError: the list is empty.
        """
        if not architectures:
            raise InputError("a space of no architectures was asked for: give at least one")
        self.name = space.name
        self._space = space
        self._listed = tuple(architectures)
        self._by_text = {one.text: one for one in self._listed}
        self._by_key: dict[str, Architecture] = {}
        self._features: dict[str, NDArray[np.float64]] = {}
        for one in self._listed:
            self._by_key.setdefault(one.key, one)

    @property
    def size(self) -> int:
        """Number of architectures on the list."""
        return len(self._listed)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw from the list, every entry equally likely."""
        return self._listed[int(rng.integers(len(self._listed)))]

    def members(self) -> Iterator[Architecture]:
        """Yield the list, of equal keys the first."""
        return iter(self._by_key.values())

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return the neighbours that are on the list."""
        found: dict[str, Architecture] = {}
        for one in self._space.neighbours(architecture, rng):
            listed = self._by_text.get(one.text) or self._by_key.get(one.key)
            if listed is not None:
                found.setdefault(listed.key, listed)
        return list(found.values())

    def features(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return the features (F,) of the space it belongs to, computed once a key."""
        if architecture.key not in self._features:
            self._features[architecture.key] = self._space.features(architecture)
        return self._features[architecture.key]

    def stratum(self, architecture: Architecture) -> str:
        """Name the stratum in the space it belongs to."""
        return self._space.stratum(architecture)

    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Build it as the space it belongs to does."""
        return self._space.build(architecture, input_shape, classes)

    def estimate_macs(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> int | None:
        """Return what the space it belongs to says."""
        return self._space.estimate_macs(architecture, input_shape, classes)

    def resize(self, architecture: Architecture, widths: tuple[int, ...]) -> Architecture:
        """Return it at other widths; the result need not be on the list."""
        return self._space.resize(architecture, widths)

    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """Return its channels, one a stage."""
        return self._space.widths(architecture)

    def describe(self, architecture: Architecture) -> str:
        """Return one line a person can read."""
        return self._space.describe(architecture)

    def graph(self, architecture: Architecture) -> list[tuple[int, int, str]]:
        """Return its live edges, for drawing."""
        return self._space.graph(architecture)
