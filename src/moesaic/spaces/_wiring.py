"""Which decisions make a cell (Definitions 1 to 3 of SA-NAS as data); it does not build networks.

An encoding is one edge (i, j, operation) for every slot, "none" included.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from moesaic.errors import InputError, unknown_name
from moesaic.spaces._graph import Edge, Edges

WIRINGS = ("dense", "two_inputs")


@dataclass(frozen=True)
class Slot:
    """One decision: where an edge into `target` comes from, and its operation."""

    target: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Wiring:
    """The slots of a space, the operations they choose from and its output.

    Attributes:
        slots: ordered by target.
        operations: admissible operations of every slot.
        output: the output vertex, or None for the sum of the leaves.
    """

    slots: tuple[Slot, ...]
    operations: tuple[str, ...]
    output: int | None

    @classmethod
    def make(cls, name: str, vertices: int, operations: tuple[str, ...]) -> Wiring:
        """Return the wiring of that name.

        `dense`: an edge (i, j) for every i < j, the last vertex is the output.
        `two_inputs`: every vertex but the input chooses two earlier vertices, the same one
        twice allowed; the output is the sum of the leaves.

        Raises:
            InputError: the name is unknown.
        """
        if name == "dense":
            pairs = [(i, j) for j in range(1, vertices) for i in range(j)]
            slots = tuple(Slot(j, (i,)) for i, j in pairs)
            return cls(slots, operations, vertices - 1)
        if name == "two_inputs":
            slots = tuple(Slot(j, tuple(range(j))) for j in range(1, vertices) for _ in range(2))
            return cls(slots, operations, None)
        raise unknown_name("wiring", name, WIRINGS)

    @property
    def size(self) -> int:
        """Number of encodings."""
        return math.prod(len(slot.sources) * len(self.operations) for slot in self.slots)

    def choices(self, slot: Slot) -> Iterator[Edge]:
        """Yield every edge the slot may hold."""
        for source, operation in itertools.product(slot.sources, self.operations):
            yield (source, slot.target, operation)

    def draw(self, rng: np.random.Generator) -> Edges:
        """Return an encoding drawn uniformly."""
        return tuple(
            (
                slot.sources[int(rng.integers(len(slot.sources)))],
                slot.target,
                self.operations[int(rng.integers(len(self.operations)))],
            )
            for slot in self.slots
        )

    def encodings(self) -> Iterator[Edges]:
        """Yield every encoding, the last slot changing fastest."""
        return itertools.product(*(tuple(self.choices(slot)) for slot in self.slots))

    def one_change(self, encoding: Edges) -> Iterator[Edges]:
        """Yield the encodings that differ in one operation or in one source."""
        for place, (slot, (source, _, operation)) in enumerate(
            zip(self.slots, encoding, strict=True)
        ):
            for edge in self.choices(slot):
                if (edge[0] != source) != (edge[2] != operation):
                    yield (*encoding[:place], edge, *encoding[place + 1 :])

    def check(self, encoding: Edges) -> Edges:
        """Return the encoding unchanged if it belongs to this wiring.

        Raises:
            InputError: another number of edges, an edge no slot can hold, unknown operation.
        """
        if len(encoding) != len(self.slots):
            raise InputError(
                f"a cell of {len(encoding)} edges does not fit this space of {len(self.slots)}"
            )
        for slot, (i, j, operation) in zip(self.slots, encoding, strict=True):
            if operation not in self.operations:
                raise unknown_name("operation", operation, self.operations)
            if j != slot.target or i not in slot.sources:
                raise InputError(
                    f"edge {operation} from vertex {i} to {j} does not fit this space: expected "
                    f"an edge to {slot.target} from one of {slot.sources}"
                )
        return encoding
