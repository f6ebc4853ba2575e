"""A search space in several sizes: the same cells at other widths and depths; it adds no cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from moesaic.errors import InputError
from moesaic.spaces._base import Architecture, SearchSpace
from moesaic.spaces._cell_base import CellSpaceBase

WIDTH_CHOICES = (0.35, 0.5, 0.7, 1.0, 1.4)  # each costs about twice the last


class SizedSpace(SearchSpace):
    """Every cell of a space at every width factor and at every depth.

    The architectures are those of the inner space, so what is built from them, and their names and
    keys, are too. Strata are the pairs of an inner stratum and a size, as "inner/size": a sampler
    that knows the two parts covers both. Stateless, like every space.
    """

    def __init__(
        self,
        space: CellSpaceBase,
        width_choices: Sequence[float] = WIDTH_CHOICES,
        depth_choices: Sequence[int] = (),
    ) -> None:
        """Describe the sizes.

        Args:
            space: the inner space; its own widths are those of factor 1.
            width_choices: factors on these widths, each rounded to whole channels, at least one.
            depth_choices: cells in every stage; none to keep the inner space's own.

        Raises:
            InputError: no width, or choices that are doubled or not positive.
        """
        for name, choices in (("width", width_choices), ("depth", depth_choices)):
            if len(set(choices)) < len(choices) or any(not choice > 0 for choice in choices):
                raise InputError(f"{name}_choices must be distinct and above 0, got {choices}")
        if not width_choices:
            raise InputError("width_choices is empty: give at least one factor, such as [1.0]")
        self.name = space.name
        self.inner = space
        # narrow networks may have the same whole channels at two factors: the first name counts
        self._widths: dict[tuple[int, ...], str] = {}
        for factor in width_choices:
            widths = tuple(max(1, round(width * factor)) for width in space.own_widths)
            self._widths.setdefault(widths, f"x{factor:g}")
        self._depths = tuple(depth_choices)

    @property
    def size(self) -> int:
        """Number of encodings of the inner space times that of the sizes."""
        return self.inner.size * len(self._widths) * max(1, len(self._depths))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an architecture of the inner space, then a size, every one as likely."""
        drawn = self.inner.sample(rng)
        sizes = self._sizes(drawn)
        return sizes[int(rng.integers(len(sizes)))][1]

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return distinct architectures one decision away: the same size, or the same cell."""
        sizes = [sized for _, sized in self._sizes(architecture)]
        found = {one.key: one for one in (*sizes, *self.inner.neighbours(architecture, rng))}
        found.pop(architecture.key, None)
        others = list(found.values())
        return [others[place] for place in rng.permutation(len(others))]

    def features(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return the features of the inner space, which tell widths, depth and cost."""
        return self.inner.features(architecture)

    def stratum(self, architecture: Architecture) -> str:
        """Name the inner stratum and the size, joined by a slash."""
        names = (name for name, sized in self._sizes(architecture) if sized == architecture)
        return f"{self.inner.stratum(architecture)}/{next(names, 'other')}"

    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Return the network that the inner space builds."""
        return self.inner.build(architecture, input_shape, classes)

    def estimate_macs(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> int | None:
        """Return what the inner space knows."""
        return self.inner.estimate_macs(architecture, input_shape, classes)

    def resize(self, architecture: Architecture, widths: tuple[int, ...]) -> Architecture:
        """Return the same architecture at any widths, one a stage."""
        return self.inner.resize(architecture, widths)

    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """Return its channels, one a stage."""
        return self.inner.widths(architecture)

    def describe(self, architecture: Architecture) -> str:
        """Return one line a person can read."""
        return self.inner.describe(architecture)

    def graph(self, architecture: Architecture) -> list[tuple[int, int, str]]:
        """Return its live edges, for drawing."""
        return self.inner.graph(architecture)

    def _sizes(self, architecture: Architecture) -> list[tuple[str, Architecture]]:
        """Return (name, architecture) of every size of one architecture."""
        found = []
        for widths, name in self._widths.items():
            sized = self.inner.resize(architecture, widths)
            if not self._depths:
                found.append((name, sized))
            for depth in self._depths:
                found.append((f"{name} of {depth}", self.inner.repeat(sized, depth)))
        return found
