"""A search space in several sizes: the same cells at other widths, depths and resolutions."""

from __future__ import annotations

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
WIDER_CHOICES = (2.0, 2.8, 4.0, 5.6)  # and so on, behind a stem of a stride
STRIDE_CHOICES = (1, 2)  # a stem of stride 2 costs about a quarter


def _factors(stride: int) -> tuple[float, ...]:
    """Return the factors on the widths behind a stem of this stride, when none are given.

    A stride of s lets a network of the same cost be s times as wide, so the widest choice is s
    times that of stride 1, 5.6 at most: what costs as much is on offer at every resolution.
    """
    most = stride * WIDTH_CHOICES[-1]
    return WIDTH_CHOICES + tuple(factor for factor in WIDER_CHOICES if factor <= most + 1e-9)


class SizedSpace(SearchSpace):
    """Every cell of a space at every width factor, at every depth and behind every stem.

    The architectures are those of the inner space, so what is built from them, and their names and
    keys, are too. Strata are the pairs of an inner stratum and a size, as "inner/size": a sampler
    that knows the two parts covers both. Stateless, like every space.
    """

    def __init__(
        self,
        space: CellSpaceBase,
        width_choices: Sequence[float] | None = None,
        depth_choices: Sequence[int] = (),
        stride_choices: Sequence[int] = (),
    ) -> None:
        """Describe the sizes.

        Args:
            space: the inner space; its own widths are those of factor 1.
            width_choices: factors on these widths at every stride, each rounded to whole channels,
                at least one; when not given .35 to 1.4, and behind a stem of stride s up to 1.4 s,
                which costs as much.
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
            "width": WIDTH_CHOICES if width_choices is None else width_choices,
            "depth": depth_choices,
            "stride": stride_choices,
        }
        for name, choices in every.items():
            if len(set(choices)) < len(choices) or any(not choice > 0 for choice in choices):
                raise InputError(f"{name}_choices must be distinct and above 0, got {choices}")
        if not every["width"]:
            raise InputError("width_choices is empty: give at least one factor, such as [1.0]")
        self.name = space.name
        self.inner = space
        # narrow networks may have the same whole channels at two factors: the first name counts
        self._widths: dict[int, dict[tuple[int, ...], str]] = {}
        for stride in stride_choices or (1,):
            named = self._widths.setdefault(stride, {})
            for factor in _factors(stride) if width_choices is None else width_choices:
                widths = tuple(max(1, round(width * factor)) for width in space.own_widths)
                named.setdefault(widths, f"x{factor:g}")
        self._depths = tuple(depth_choices)
        self._strides = tuple(stride_choices)

    @property
    def size(self) -> int:
        """Number of encodings of the inner space times that of the sizes."""
        widths = sum(len(named) for named in self._widths.values())
        return self.inner.size * widths * max(1, len(self._depths))

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
        for stride, named in self._widths.items():
            behind = "" if stride == 1 else f" stride {stride}"
            for widths, name in named.items():
                sized = self.inner.resize(architecture, widths)
                if isinstance(self.inner, CellSpace) and self._strides:
                    sized = self.inner.at_stride(sized, stride)
                if not self._depths:
                    found.append((f"{name}{behind}", sized))
                for depth in self._depths:
                    deep = self.inner.repeat(sized, depth)
                    found.append((f"{name} of {depth}{behind}", deep))
        return found
