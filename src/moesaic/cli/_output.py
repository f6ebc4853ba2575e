"""How the command line speaks: the answer to stdout, all else to stderr; it decides no content."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import typer


@dataclass(frozen=True)
class Answer:
    """What a command found.

    Attributes:
        payload: the JSON object, or a list of them.
        text: makes the same for a person; called only where it is shown.
        code: the exit code.
    """

    payload: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    text: Callable[[], str]
    code: int = 0


def answer(as_json: bool, work: Callable[[], Answer]) -> None:
    """Do the work of a command, with stdout kept clean of all else, and give its answer.

    Raises:
        typer.Exit: with the answer's exit code, unless it is 0.
    """
    with stdout_reserved():
        found = work()
    text = to_json(found.payload) if as_json else found.text()
    if text:
        write(text)
    if found.code:
        raise typer.Exit(found.code)


@contextmanager
def stdout_reserved() -> Iterator[None]:
    """Send whatever is printed, by libraries and worker processes too, to stderr."""
    sys.stdout.flush()
    try:
        output, errors = sys.stdout.fileno(), sys.stderr.fileno()
    except OSError:  # not files, as under a test runner
        with redirect_stdout(sys.stderr):
            yield
        return
    kept = os.dup(output)
    os.dup2(errors, output)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, output)
        os.close(kept)


def write(text: str) -> None:
    """Write text and a line end to stdout.

    Raises:
        SystemExit: nobody reads it any more, or it cannot be written, which is told.
    """
    stream = sys.stdout
    try:
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError:
            stream.write(f"{text.encode('ascii', 'backslashreplace').decode('ascii')}\n")
        stream.flush()
    except OSError as error:
        # what is still buffered must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            tell(f"error: cannot write the answer: {os.strerror(error.errno or 0)}")
        raise SystemExit(1) from None


def tell(line: str) -> None:
    """Write one line to stderr; a run goes on when nobody reads it."""
    try:
        typer.echo(" ".join(line.split()), err=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def to_json(payload: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    """Return JSON; a number that JSON does not have becomes null."""
    return json.dumps(_plain(payload), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """Return a table as text, plain ASCII lines when stdout is not a terminal.

    Args:
        columns: the headings.
        rows: the cells.
        numbers: from which column on cells are flush right; the second by default.
    """
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    pretty = sys.stdout.isatty()
    # a pipe has no width: nothing is to be cut there
    console = Console(file=io.StringIO(), force_terminal=pretty, width=None if pretty else 10_000)
    lines = box.SIMPLE_HEAD if pretty and _shows_unicode() else None
    plain = Table(box=lines, pad_edge=False, show_edge=False)
    for position, name in enumerate(columns):
        right = position >= (1 if numbers is None else numbers)
        plain.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        plain.add_row(*(Text(_printable(cell)) for cell in row))
    with console.capture() as capture:
        console.print(plain)
    return "\n".join(line.rstrip() for line in capture.get().strip("\n").splitlines())


def pairs(values: Mapping[str, str]) -> str:
    """Return lines of a name and its value, aligned."""
    width = max(len(name) for name in values) + 2
    return "\n".join(f"{name:<{width}}{_printable(value)}" for name, value in values.items())


def _printable(text: str) -> str:
    """Return text in which what would move a terminal's cursor or colour it is written out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def duration(seconds: float) -> str:
    """Return seconds as a person says them: 40 s, 3 min 20 s, 1 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _shows_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
