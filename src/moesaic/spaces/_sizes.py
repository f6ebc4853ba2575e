"""A search space in several sizes: the same cells at other widths, depths and resolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from moesaic.errors import InputError
from moesaic.spaces._base import Architecture, SearchSpace
from moesaic.spaces._cell_base import CellSpaceBase
from moesaic.spaces._cells import CellSpace

WIDTH_CHOICES = (0.35, 0.5, 0.7, 1.0, 1.4)  # each costs about twice the last
STRIDE_CHOICES = (1, 2)  # a stem of stride 2 costs about a quarter


class SizedSpace(SearchSpace):
    """Every cell of a space at every width factor, at every depth and behind every stem.

    The architectures are those of the inner space, so what is built from them, and their names and
    keys, are too. Strata are the pairs of an inner stratum and a size, as "inner/size": a sampler
    that knows the two parts covers both. Stateless, like every space.
    """

    def __init__(
        self,
        space: CellSpaceBase,
        width_choices: Sequence[float] = WIDTH_CHOICES,
        depth_choices: Sequence[int] = (),
        stride_choices: Sequence[int] = (),
    ) -> None:
        """Describe the sizes.

        Args:
            space: the inner space; its own widths are those of factor 1.
            width_choices: factors on these widths, each rounded to whole channels, at least one.
            depth_choices: cells in every stage; none to keep the inner space's own.
            stride_choices: of the first convolution of image cells; none for 1.

        Raises:
            InputError: no width, choices that are doubled or not positive, or strides for cells
                that have no such convolution.
        """
        if stride_choices and not isinstance(space, CellSpace):
            raise InputError(
                f"stride_choices are for cells over images: omit them for the space {space.name}"
            )
        every: dict[str, Sequence[float]] = {
            "width": width_choices,
            "depth": depth_choices,
            "stride": stride_choices,
        }
        for name, choices in every.items():
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
        self._strides = tuple(stride_choices)

    @property
    def size(self) -> int:
        """Number of encodings of the inner space times that of the sizes."""
        choices = (self._widths, self._depths, self._strides)
        return self.inner.size * math.prod(max(1, len(each)) for each in choices)

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

    def sizes(self, architecture: Architecture) -> list[Architecture]:
        """Return one architecture at every size, its own among them where it is one of these."""
        return [sized for _, sized in self._sizes(architecture)]

    def shapes(self, architecture: Architecture) -> list[Architecture]:
        """Return one architecture at every depth and behind every stem, its widths as they are."""
        deep = [self.inner.repeat(architecture, depth) for depth in self._depths] or [architecture]
        if isinstance(self.inner, CellSpace) and self._strides:
            deep = [self.inner.at_stride(one, stride) for stride in self._strides for one in deep]
        return list({one.key: one for one in deep}.values())

    def check(self, architecture: Architecture, input_shape: tuple[int, ...], classes: int) -> None:
        """Build one architecture at every size, on the meta device.

        Raises:
            BuildError: one of the sizes does not fit such inputs.
        """
        with torch.device("meta"):
            for _, sized in self._sizes(architecture):
                self.build(sized, input_shape, classes)

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
            deep = [
                (f"{name} of {depth}", self.inner.repeat(sized, depth)) for depth in self._depths
            ]
            found += deep or [(name, sized)]
        if isinstance(self.inner, CellSpace) and self._strides:
            return [
                (
                    name if stride == 1 else f"{name} stride {stride}",
                    self.inner.at_stride(one, stride),
                )
                for stride in self._strides
                for name, one in found
            ]
        return found
