"""What an architecture and a search space are; concrete spaces live in modules beside this one."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn


@dataclass(frozen=True)
class Architecture:
    """A hashable, serialisable description of a network; two are equal when their keys are.

    Attributes:
        key: canonical hash, the same for isomorphic cells of the same widths.
        space: name of the search space that builds it.
        text: canonical JSON of the description, what `SearchSpace.build` reads.
        family: the group it belongs to (for cells: the preset's name).
    """

    key: str
    space: str = field(compare=False)
    text: str = field(compare=False)
    family: str = field(compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "key": self.key,
            "space": self.space,
            "family": self.family,
            "description": json.loads(self.text),
        }

    @classmethod
    def from_dict(cls, payload: Mapping[str, Any]) -> Architecture:
        """Inverse of `to_dict`."""
        text = json.dumps(payload["description"], sort_keys=True, separators=(",", ":"))
        return cls(
            key=str(payload["key"]),
            space=str(payload["space"]),
            text=text,
            family=str(payload["family"]),
        )


class SearchSpace(ABC):
    """What may be built. Stateless after construction: every draw takes its generator.

    A third party adds one by subclassing and by an entry point in the group `moesaic.spaces`;
    `moesaic.testing.SearchSpaceContract` is its test suite.
    """

    name: str

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of encodings in the space (isomorphic ones counted separately)."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw one architecture that can carry a signal from input to output."""

    def members(self) -> Iterator[Architecture] | None:
        """Yield every architecture that `sample` may draw, one a key; None if it cannot say.

        Who calls it looks at `size` first: a space may be too large to be gone through.
        """
        return None

    @abstractmethod
    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return distinct architectures one decision away, in an order drawn from `rng`."""

    @abstractmethod
    def features(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return a vector (F,) of fixed length for the surrogate; equal keys give equal vectors."""

    @abstractmethod
    def stratum(self, architecture: Architecture) -> str:
        """Name the group used for stratified sampling."""

    @abstractmethod
    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Return a network that maps (B, *input_shape) float32 to logits (B, classes).

        Raises:
            BuildError: the network cannot take this input shape.
        """

    def estimate_macs(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> int | None:
        """Return the multiply-accumulates of one sample without building, None if unknown.

        Only speeds up `match_macs`, which measures the network it returns.
        """
        return None

    @abstractmethod
    def resize(self, architecture: Architecture, widths: tuple[int, ...]) -> Architecture:
        """Return the same architecture at other widths, one a stage."""

    @abstractmethod
    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """Return its channels, one a stage."""

    @abstractmethod
    def describe(self, architecture: Architecture) -> str:
        """Return one line a person can read."""

    @abstractmethod
    def graph(self, architecture: Architecture) -> list[tuple[int, int, str]]:
        """Return its live edges (from, to, operation), vertex 0 being the input, for drawing."""
