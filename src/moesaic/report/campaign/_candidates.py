"""The candidates of a campaign, and reading them from a run or a file; nothing is judged here."""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from moesaic.errors import InputError

Status = Literal["planned", "done", "failed"]
_STATUSES: dict[str, Status] = {
    **dict.fromkeys(("done", "finished", "success", "ok"), "done"),
    **dict.fromkeys(("failed", "error"), "failed"),
    **dict.fromkeys(("planned", "pending", "running"), "planned"),
}
_MISSING = ("", "nan", "na", "none", "null")


class Candidate(NamedTuple):
    """One mixture of a campaign.

    Attributes:
        families: the names of its K experts, all different.
        accuracy: what it reached, 0 .. 1; None where it was not measured.
        status: whether it is only planned, was trained, or failed.
        cause: why it failed; empty otherwise.
    """

    families: tuple[str, ...]
    accuracy: float | None = None
    status: Status = "done"
    cause: str = ""

    @property
    def key(self) -> frozenset[str]:
        """The same for the same families in another order."""
        return frozenset(self.families)


def read_candidates(path: Path) -> list[Candidate]:
    """Read the candidates of a campaign in their order, from its run directory or a file.

    A CSV file, plain or .gz, has the columns e1 .. eK or one column `families`, joined by `+`;
    `accuracy`, `status` and `cause` may be there; other columns are ignored. A row without a
    status failed if it names a cause, is planned if the file has accuracies and the row has
    none, and is done otherwise.

    Raises:
        InputError: the path cannot be read or holds no candidates; the row at fault is named.
    """
    if path.is_dir():
        return _of_run(path)
    rows = [row for row in _read_rows(path) if any(cell.strip() for cell in row[1])]
    if not rows:
        raise InputError(f"{path} is empty: expected a line of column names, then candidates")
    header = [cell.strip().lower() for cell in rows[0][1]]
    places = _places(path, header)
    found = [_candidate(f"{path} line {line}", header, places, row) for line, row in rows[1:]]
    if not found:
        raise InputError(f"{path} names no candidate: expected one a line below the column names")
    for (line, _), candidate in zip(rows[1:], found, strict=True):
        if len(candidate.families) != len(found[0].families):
            raise InputError(
                f"{path} line {line} has {len(candidate.families)} families, the first has "
                f"{len(found[0].families)}: keep candidates of one size"
            )
    return found


def _of_run(path: Path) -> list[Candidate]:
    # only here: a file is analysed without loading torch
    from moesaic.runs import open_run

    found = [
        Candidate(
            families=candidate.families,
            accuracy=candidate.accuracy if candidate.status == "done" else None,
            status="planned" if candidate.status == "lost" else candidate.status,
            cause=candidate.cause or "",
        )
        for candidate in open_run(path).candidates()
    ]
    if not found:
        raise InputError(f"the campaign in {path} has planned nothing yet: run it first")
    return found


def read_pool(path: Path) -> tuple[str, ...]:
    """Read the names of a pool, one a line.

    Raises:
        InputError: the file cannot be read, holds no name, or one of them twice.
    """
    lines = [line.strip() for line in _read_text(path).splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(f"{path} names no family: expected one name a line")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} names {twice[0]} twice: keep one of them")
    return tuple(names)


def families_of(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Return every family that is in a candidate, in alphabetical order."""
    return tuple(sorted({name for candidate in candidates for name in candidate.families}))


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    reader = csv.reader(_read_text(path).splitlines())
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num} is not CSV: {error}") from None


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        # by content: a file may have lost its suffix
        return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(
            "utf-8-sig"
        )
    except FileNotFoundError:
        raise InputError(f"no file {path}: check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from None


def _places(path: Path, header: list[str]) -> list[int]:
    """Return the columns that name families."""
    experts = [name for name in header if re.fullmatch(r"e[1-9]\d*", name)]
    expected = [f"e{place}" for place in range(1, len(experts) + 1)]
    if experts and sorted(experts, key=lambda name: int(name[1:])) == expected:
        return [header.index(name) for name in expected]
    if not experts and header.count("families") == 1:
        return [header.index("families")]
    raise InputError(
        f"{path} has the columns {', '.join(header)[:200]}: expected e1, e2 .. eK, each once, or "
        "families"
    )


def _candidate(where: str, header: list[str], places: list[int], row: list[str]) -> Candidate:
    if len(row) > len(header):
        raise InputError(f"{where} has {len(row)} cells, expected {len(header)}: quote commas")
    cells = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
    named = [cells[place] for place in places]
    if header[places[0]] == "families":
        named = [name.strip() for name in named[0].split("+")]
    if not all(named):
        raise InputError(f"{where} lacks the name of a family: name {len(named)}")
    for name in named:
        if named.count(name) > 1:
            raise InputError(f"{where} names {name} twice: a candidate has different families")
    optional = [name for name in ("accuracy", "status", "cause") if name in header]
    given = {name: cells[header.index(name)] for name in optional}
    accuracy = _accuracy(where, given.get("accuracy", ""))
    cause = given.get("cause", "")
    status = _status(where, given.get("status", ""))
    if status is None:
        waiting = "accuracy" in given and accuracy is None
        status = "failed" if cause else "planned" if waiting else "done"
    return Candidate(tuple(named), accuracy if status == "done" else None, status, cause)


def _accuracy(where: str, text: str) -> float | None:
    if text.lower() in _MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where} has accuracy {text!r}: expected a number, or nothing")
    return value


def _status(where: str, text: str) -> Status | None:
    if not text:
        return None
    if text.lower() not in _STATUSES:
        raise InputError(f"{where} has status {text!r}: expected done, failed or planned")
    return _STATUSES[text.lower()]
