"""Reads a table of trained architectures from a CSV file; it trains and searches nothing."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from moesaic.errors import InputError
from moesaic.execution._table import Table
from moesaic.spaces import Architecture, SearchSpace
from moesaic.spaces.families import FamilySpace, family_architecture

Measure = Literal["loss", "accuracy", "percent"]
NAMES = ("architecture", "cellstr", "family")
COSTS = ("macs", "parameters", "seconds")


def read_table(
    path: str | Path,
    space: SearchSpace,
    clusters: Sequence[str],
    *,
    measure: Measure = "accuracy",
    column: str | None = None,
) -> Table:
    """Read a CSV file, plain or .gz, with a row an architecture and a column a cluster.

    Columns named `macs`, `parameters` and `seconds` are read where there are any, other columns
    are ignored. An architecture is what the space prints of it (`describe`), a family's name, or
    the JSON of `Architecture.to_dict`.

    Args:
        path: the file.
        space: where the architectures come from.
        clusters: M columns, one a cluster.
        measure: what they hold: `loss` in nats, `accuracy` 0 .. 1, or `percent` 0 .. 100.
        column: names the architectures; `architecture`, `cellstr` or `family` when not given.

    Raises:
        InputError: the file cannot be read, lacks a column, holds an architecture that is unknown
            or there twice, or a value that is no such measurement; the line at fault is named.
    """
    path = Path(path)
    if measure not in get_args(Measure):
        raise InputError(f"measure is {measure!r}: choose one of {', '.join(get_args(Measure))}")
    if not clusters:
        raise InputError("a table needs clusters: name a column or more")
    rows = _rows(path)
    known = list(rows[0][1])
    name = _name_column(path, column, known)
    for wanted in clusters:
        if wanted not in known:
            raise InputError(f"{path} has no column '{wanted}': it has {', '.join(known)}")
    parse = _parser(space)
    architectures: list[Architecture] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        try:
            found = parse(row[name])
            space.describe(found)  # what JSON says may be no architecture of this space
        except (InputError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {line}: {row[name]!r} is no architecture of {space.name} ({error})"
            ) from error
        if found.text in lines:
            raise InputError(
                f"{path}, line {line}: {row[name]!r} is in line {lines[found.text]} already: "
                "keep one of them"
            )
        lines[found.text] = line
        architectures.append(found)
    scale = 100.0 if measure == "percent" else 1.0
    most = None if measure == "loss" else scale
    values = [
        [_number(path, line, row, one, most) / scale for one in clusters] for line, row in rows
    ]
    costs = {
        cost: [_number(path, line, row, cost, None) for line, row in rows]
        for cost in COSTS
        if cost in known
    }
    if measure == "loss":
        return Table(space, architectures, loss=values, **costs)
    return Table(space, architectures, accuracy=values, **costs)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return (line, cells by column) of every row."""
    opening: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    try:
        with opening(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows: list[tuple[int, dict[str, str]]] = [(reader.line_num, row) for row in reader]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path} ({error}): give a CSV file, plain or .gz") from error
    if not rows:
        raise InputError(f"{path} has no rows: give a table of architectures")
    for line, row in rows:
        if None in row or None in row.values():
            raise InputError(f"{path}, line {line}: the number of cells differs from the header's")
    return rows


def _name_column(path: Path, column: str | None, known: Sequence[str]) -> str:
    if column is None:
        column = next((name for name in NAMES if name in known), None)
        if column is None:
            raise InputError(
                f"{path} has none of the columns {', '.join(NAMES)}: say which of "
                f"{', '.join(known)} names the architectures"
            )
    if column not in known:
        raise InputError(f"{path} has no column '{column}': it has {', '.join(known)}")
    return column


def _parser(space: SearchSpace) -> Callable[[str], Architecture]:
    """Return what reads an architecture; the key of JSON is taken as written."""

    def parse(text: str) -> Architecture:
        text = text.strip()
        if text.startswith("{"):
            return Architecture.from_dict(json.loads(text))
        if isinstance(space, FamilySpace):
            return family_architecture(text)
        reader = getattr(space, "parse", None)
        if reader is None:
            raise InputError(f"the space {space.name} reads no text: give its JSON")
        found: Architecture = reader(text)
        return found

    return parse


def _number(
    path: Path, line: int, row: Mapping[str, str], column: str, most: float | None
) -> float:
    """Return a cell as a number that is not negative, nor above `most`."""
    try:
        value = float(row[column])
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= (most if most is not None else 1e300):
        asked = "0 or more" if most is None else f"0 to {most:g}"
        raise InputError(f"{path}, line {line}: '{column}' is {row[column]!r}, expected {asked}")
    return value
