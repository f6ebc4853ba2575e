"""What all cell spaces share: encodings, keys, neighbours, strings; it knows no operation."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from moesaic.errors import InputError, unknown_name
from moesaic.spaces._base import Architecture, SearchSpace
from moesaic.spaces._features import FeatureMap
from moesaic.spaces._graph import NONE, Edge, Edges
from moesaic.spaces._plan import CellPlan, check_widths, parse_cell, split_skeleton
from moesaic.spaces._wiring import Wiring


class CellSpaceBase(SearchSpace):
    """Cells of N vertices with an operation an edge, repeated in a fixed skeleton.

    Stateless after construction, safe to share between threads. Isomorphic cells (after
    pruning what carries no signal) of equal widths share one key, one feature vector and, for
    one seed, one network bit for bit, because all three read the canonical form only.

    A subclass names the operations and says how cells become features, strata and networks.
    """

    known_operations: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        name: str,
        *,
        vertices: int,
        operations: tuple[str, ...],
        wiring: str,
        widths: tuple[int, ...],
        cells_per_stage: int,
    ) -> None:
        """Describe the space.

        Args:
            name: recorded in its architectures as space and family.
            vertices: N, 2 to 8, the input counted.
            operations: admissible operations, at least one besides "none".
            wiring: `dense` (an edge for every i < j, output is the last vertex) or
                `two_inputs` (two chosen earlier vertices each, output is the sum of the leaves).
            widths: width of a vertex, one a stage.
            cells_per_stage: how often the cell is repeated in a stage.

        Raises:
            InputError: an option is out of range or a name is unknown.
        """
        if type(vertices) is not int or not 2 <= vertices <= 8:
            raise InputError(f"vertices must be an integer from 2 to 8, got {vertices!r}")
        if type(cells_per_stage) is not int or cells_per_stage < 1:
            raise InputError(f"cells_per_stage must be 1 or more, got {cells_per_stage!r}")
        for operation in operations:
            if operation not in self.known_operations:
                raise unknown_name("operation", operation, self.known_operations)
        if len(set(operations)) < len(operations) or not set(operations) - {NONE}:
            raise InputError(
                "operations must be distinct and at least one must not be 'none', "
                f"got {tuple(operations)}"
            )
        self.name = name
        self._wiring = Wiring.make(wiring, vertices, tuple(operations))
        self._widths = check_widths(widths)
        self._cells_per_stage = cells_per_stage
        self._feature_map = self._make_feature_map(tuple(operations), longest=vertices - 1)

    @abstractmethod
    def _make_feature_map(self, operations: tuple[str, ...], longest: int) -> FeatureMap:
        """Return what maps a canonical cell of these operations to its features."""

    @property
    def size(self) -> int:
        """Number of encodings in the space (isomorphic and dead ones counted)."""
        return self._wiring.size

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What each entry of `features` is, F names."""
        return self._feature_map.names

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw an encoding uniformly among those with a live path."""
        while True:
            plan = self._plan(self._wiring.draw(rng))
            if plan.canonical():
                return self._architecture(plan)

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every encoding, dead ones included; `size` says how many that is."""
        for encoding in self._wiring.encodings():
            yield self._architecture(self._plan(encoding))

    def members(self) -> Iterator[Architecture]:
        """Yield the live cells, of isomorphic ones the first encoding."""
        found: set[str] = set()
        for architecture in self.enumerate():
            if architecture.key not in found and self.is_alive(architecture):
                found.add(architecture.key)
                yield architecture

    def is_alive(self, architecture: Architecture) -> bool:
        """Tell whether a live path joins input and output; dead cells cannot be built."""
        return bool(self._canonical(architecture))

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return the live, distinct cells one operation or one source away, in random order.

        Raises:
            InputError: the architecture is not of this space.
        """
        plan = CellPlan.from_text(architecture.text)
        self._wiring.check(plan.encoding)
        found = {architecture.key: architecture}
        for encoding in self._wiring.one_change(plan.encoding):
            other = replace(plan, encoding=encoding)
            if other.canonical():
                candidate = self._architecture(other)
                found.setdefault(candidate.key, candidate)
        del found[architecture.key]
        others = list(found.values())
        return [others[place] for place in rng.permutation(len(others))]

    def features(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return the vector (F,) that `feature_names` names; equal keys give equal vectors."""
        plan = CellPlan.from_text(architecture.text)
        return self._feature_map(
            plan.canonical(), plan.widths, plan.cells_per_stage, plan.stem_stride
        )

    def resize(self, architecture: Architecture, widths: tuple[int, ...]) -> Architecture:
        """Return the same cell at other widths, as many as before.

        Raises:
            InputError: another number of stages, or widths that are not positive integers.
        """
        plan = CellPlan.from_text(architecture.text)
        if len(check_widths(widths)) != len(plan.widths):
            raise InputError(f"expected {len(plan.widths)} widths, one a stage, got {widths}")
        return self._architecture(replace(plan, widths=tuple(widths)))

    def repeat(self, architecture: Architecture, cells_per_stage: int) -> Architecture:
        """Return the same cell at another depth.

        Raises:
            InputError: the depth is not 1 or more.
        """
        if type(cells_per_stage) is not int or cells_per_stage < 1:
            raise InputError(f"cells_per_stage must be 1 or more, got {cells_per_stage!r}")
        plan = CellPlan.from_text(architecture.text)
        return self._architecture(replace(plan, cells_per_stage=cells_per_stage))

    @property
    def own_widths(self) -> tuple[int, ...]:
        """The channels of whatever `sample` draws, one a stage."""
        return self._widths

    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """Return its channels, one a stage."""
        return CellPlan.from_text(architecture.text).widths

    def describe(self, architecture: Architecture) -> str:
        """Return the cell as NAS-Bench-201 prints it.

        Widths, cells a stage and the stem's stride follow, as in "|...| [16-32-64 x5 /2]", where
        they are not the space's own. `parse` is the inverse.
        """
        plan = CellPlan.from_text(architecture.text)
        own = self._plan(plan.encoding).skeleton_string()
        skeleton = plan.skeleton_string()
        return plan.cell_string() if skeleton == own else f"{plan.cell_string()} {skeleton}"

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a string such as `describe` prints.

        Raises:
            InputError: the string is malformed or not a cell of this space.
        """
        cell, skeleton = split_skeleton(text)
        plan = self._plan(self._wiring.check(parse_cell(cell)))
        if skeleton is not None:
            check_widths(skeleton.widths)
            plan = replace(plan, **skeleton._asdict())
        return self._architecture(plan)

    def graph(self, architecture: Architecture) -> list[Edge]:
        """Return the live edges (from, to, operation) of its canonical form, for drawing."""
        return list(self._canonical(architecture))

    def _canonical(self, architecture: Architecture) -> Edges:
        return CellPlan.from_text(architecture.text).canonical()

    def _plan(self, encoding: Edges) -> CellPlan:
        return CellPlan(encoding, self._wiring.output, self._widths, self._cells_per_stage)

    def _architecture(self, plan: CellPlan) -> Architecture:
        parts = [plan.canonical(), plan.widths, plan.cells_per_stage]
        if plan.stem_stride != 1:  # keys of networks at full resolution are older than this word
            parts.append(plan.stem_stride)
        work = json.dumps(parts)
        key = hashlib.blake2b(work.encode(), digest_size=8).hexdigest()
        return Architecture(key=key, space=self.name, text=plan.to_text(), family=self.name)
