"""Reads tables of trained NAS-Bench-201 cells, one row a cell; it knows no search and no model."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moesaic.errors import InputError
from moesaic.spaces import Architecture, get_space

SPACE = "nasbench201"
# Percent; below it a logarithm would only tell apart how a net fails.
LEAST_ACCURACY = 0.1
_ROW, _CELL = "arch", "cellstr"


@dataclass(frozen=True)
class Cells:
    """Cells and what they reached, a row each; isomorphic ones share a key.

    Attributes:
        architectures: N of them, of the space `nasbench201`.
        loss: (N, M) nats, -log(accuracy / 100): what a search may see.
        judge_loss: (N, M) the same of the columns that judge.
        accuracy, judge_accuracy: (N, M) percent.
    """

    architectures: list[Architecture]
    loss: np.ndarray
    judge_loss: np.ndarray
    accuracy: np.ndarray
    judge_accuracy: np.ndarray

    def distinct(self) -> Cells:
        """Return one row a key, in order of first appearance, with the mean accuracies.

        Isomorphic cells are one network: what differs between them is training noise.
        """
        first: dict[str, int] = {}
        group = np.array(
            [first.setdefault(one.key, len(first)) for one in self.architectures], dtype=int
        )
        count = np.bincount(group, minlength=len(first))[:, None]
        kept = np.unique(group, return_index=True)[1]

        def averaged(values: np.ndarray) -> np.ndarray:
            total = np.zeros((len(first), values.shape[1]))
            np.add.at(total, group, values)
            return total / count

        return _cells(
            [self.architectures[row] for row in kept],
            averaged(self.accuracy),
            averaged(self.judge_accuracy),
        )


def read_tables(
    paths: Sequence[str | Path], clusters: Sequence[str], judge: Sequence[str]
) -> Cells:
    """Read CSV files (gzip or plain) with the columns `arch`, `cellstr` and accuracies in percent.

    Rows are joined on `arch`: what one table lacks is left out. Order is that of the first.

    Args:
        paths: one or more tables; the first one with `cellstr` names the cells.
        clusters: M columns that guide, one a cluster.
        judge: M columns that judge, in the same order.

    Raises:
        InputError: a file or column is missing or ambiguous, an `arch` occurs twice, a value is
            no percentage, or a cell is none of NAS-Bench-201.
    """
    if not paths or not clusters or len(clusters) != len(judge):
        raise InputError(
            f"got {len(paths)} tables, {len(clusters)} clusters and {len(judge)} columns to judge: "
            "give a table or more, and one judge a cluster"
        )
    tables = [_rows(Path(path)) for path in paths]
    cells = _column(_CELL, tables, paths, shared=True)
    columns = [_column(name, tables, paths) for name in (*clusters, *judge)]
    rows = [name for name in tables[0] if all(name in table for table in tables)]
    if not rows:
        raise InputError(f"no '{_ROW}' occurs in all of {len(paths)} tables: give tables that join")
    space = get_space(SPACE)
    architectures = [space.parse(cells[name]) for name in rows]  # type: ignore[attr-defined]
    names = (*clusters, *judge)
    values = np.array(
        [
            [_percent(column[row], name, row) for name, column in zip(names, columns, strict=True)]
            for row in rows
        ]
    )
    return _cells(architectures, values[:, : len(clusters)], values[:, len(clusters) :])


def loss_of(accuracy: np.ndarray) -> np.ndarray:
    """Return -log(accuracy / 100) nats of percentages, never below 0."""
    return np.maximum(-np.log(np.maximum(accuracy, LEAST_ACCURACY) / 100.0), 0.0)


def _cells(
    architectures: list[Architecture], accuracy: np.ndarray, judge_accuracy: np.ndarray
) -> Cells:
    return Cells(
        architectures, loss_of(accuracy), loss_of(judge_accuracy), accuracy, judge_accuracy
    )


def _rows(path: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of a file by their `arch`."""
    opening = gzip.open if path.suffix == ".gz" else open
    try:
        with opening(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if _ROW not in (reader.fieldnames or ()):
                raise InputError(f"{path} has no column '{_ROW}': it names the rows to join on")
            found: dict[str, Mapping[str, str]] = {}
            for row in reader:
                if row[_ROW] in found:
                    raise InputError(f"{path} has {_ROW} '{row[_ROW]}' twice: keep one row each")
                found[row[_ROW]] = row
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} ({error}): give a CSV file, plain or .gz") from error
    if not found:
        raise InputError(f"{path} has no rows: give a table of cells")
    return found


def _column(
    name: str,
    tables: Sequence[Mapping[str, Mapping[str, str]]],
    paths: Sequence[str | Path],
    shared: bool = False,
) -> Mapping[str, str]:
    """Return a column by `arch`, from the one table that has it (or the first, if shared)."""
    holders = [table for table in tables if name in next(iter(table.values()))]
    if not holders:
        known = sorted({key for table in tables for key in next(iter(table.values()))})
        raise InputError(
            f"no column '{name}' in {', '.join(map(str, paths))}: there are {', '.join(known)}"
        )
    if len(holders) > 1 and not shared:
        raise InputError(f"column '{name}' is in {len(holders)} tables: give one that has it")
    return {key: row[name] for key, row in holders[0].items()}


def _percent(text: str, name: str, row: str) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0.0 <= value <= 100.0:
        raise InputError(f"'{name}' of {_ROW} {row} is {text!r}: give an accuracy of 0 to 100 %")
    return value
