"""A cell as text: the JSON of an architecture and the benchmark's strings; it builds nothing."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from moesaic.errors import InputError
from moesaic.spaces._graph import Edge, Edges, canonical_form, live_edges

_SKELETON = re.compile(
    r"^(?P<cell>.*\S)\s+\[(?P<widths>\d+(-\d+)*) x(?P<cells>\d+)( /(?P<stride>\d+))?\]$"
)


@dataclass(frozen=True)
class CellPlan:
    """What an architecture's text holds: an encoding and the skeleton it is repeated in.

    Attributes:
        encoding: one edge (i, j, operation) a decision, "none" included, ordered by j.
        output: the output vertex, or None for the sum of the leaves.
        widths: channels, one a stage.
        cells_per_stage: how often the cell is repeated in a stage.
        stem_stride: pixels from one output of the first convolution to the next.
    """

    encoding: Edges
    output: int | None
    widths: tuple[int, ...]
    cells_per_stage: int
    stem_stride: int = 1

    def canonical(self) -> Edges:
        """Return the live part of the cell, the same tuple for isomorphic cells."""
        return canonical_form(live_edges(self.encoding, self.output))

    def to_text(self) -> str:
        """Return canonical JSON."""
        payload: dict[str, Any] = {
            "edges": self.encoding,
            "output": self.output,
            "widths": self.widths,
            "cells_per_stage": self.cells_per_stage,
        }
        if self.stem_stride != 1:  # the text of a network at full resolution has no such word
            payload["stem_stride"] = self.stem_stride
        return json.dumps(payload, sort_keys=True, separators=(",", ":"))

    @classmethod
    @lru_cache(maxsize=1 << 14)
    def from_text(cls, text: str) -> CellPlan:
        """Inverse of `to_text`.

        Raises:
            InputError: the text does not describe a cell.
        """
        try:
            payload = json.loads(text)
            edges = tuple((int(i), int(j), str(op)) for i, j, op in payload["edges"])
            output = None if payload["output"] is None else int(payload["output"])
            widths = check_widths(payload["widths"])
            cells_per_stage = int(payload["cells_per_stage"])
            stem_stride = int(payload.get("stem_stride", 1))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"not the description of a cell: {text[:80]!r}; expected JSON with edges, output, "
                "widths and cells_per_stage"
            ) from error
        if any(not 0 <= i < j for i, j, _ in edges):
            raise InputError(f"a cell's edges go from a lower to a higher vertex, got {edges}")
        return cls(edges, output, widths, cells_per_stage, stem_stride)

    def skeleton_string(self) -> str:
        """Return "[8-16-32 x1 /2]": widths, cells a stage, the stem's stride unless it is 1."""
        stride = f" /{self.stem_stride}" if self.stem_stride != 1 else ""
        return f"[{'-'.join(map(str, self.widths))} x{self.cells_per_stage}{stride}]"

    def cell_string(self) -> str:
        """Return the cell as NAS-Bench-201 prints it: "|operation~source|...|" a vertex."""
        groups = itertools.groupby(self.encoding, key=lambda edge: edge[1])
        return "+".join(
            "|" + "".join(f"{operation}~{source}|" for source, _, operation in group)
            for _, group in groups
        )


def check_widths(widths: object) -> tuple[int, ...]:
    """Return widths as a tuple of positive integers.

    Raises:
        InputError: empty, not a sequence, or not positive integers.
    """
    good = isinstance(widths, tuple | list) and len(widths) > 0
    if not good or not all(type(width) is int and width > 0 for width in widths):  # type: ignore[attr-defined]
        raise InputError(
            f"widths must be one positive integer a stage, such as (8, 16, 32), got {widths!r}"
        )
    return tuple(widths)  # type: ignore[arg-type]


def parse_cell(text: str) -> Edges:
    """Return the encoding that `CellPlan.cell_string` printed.

    Raises:
        InputError: the text is not of the form |operation~source|...|+|...|.
    """
    edges: list[Edge] = []
    for target, group in enumerate(text.strip().split("+"), start=1):
        items = group.strip().strip("|").split("|")
        for item in items:
            operation, _, source = item.partition("~")
            if not source.isdecimal() or int(source) >= target:
                raise InputError(
                    f"'{item}' into vertex {target} of '{text}': expected operation~source with "
                    f"source below {target}, such as |nor_conv_3x3~0|"
                )
            edges.append((int(source), target, operation))
    return tuple(edges)


class Skeleton(NamedTuple):
    """What a cell is repeated in: widths, one a stage, cells a stage, and the stem's stride."""

    widths: tuple[int, ...]
    cells_per_stage: int
    stem_stride: int


def split_skeleton(text: str) -> tuple[str, Skeleton | None]:
    """Split "cell [8-16-32 x1 /2]" into the cell and its skeleton, None where not given."""
    match = _SKELETON.match(text.strip())
    if match is None:
        return text, None
    widths = tuple(int(width) for width in match["widths"].split("-"))
    return match["cell"], Skeleton(widths, int(match["cells"]), int(match["stride"] or 1))
