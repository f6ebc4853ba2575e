"""What goes wrong in a command, as one line and an exit code; it mends nothing."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from moesaic.errors import Interrupted, MoesaicError

DEBUG = "MOESAIC_DEBUG"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class UnforeseenError(Exception):
    """A fault nobody foresaw, its cause attached, and the run directory it happened in."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        self.folder = folder


@dataclass(frozen=True)
class Refusal:
    """Why a command stopped.

    Attributes:
        code: the exit code.
        status: `error` or `interrupted`.
        message: one line.
    """

    code: int
    status: str
    message: str

    @property
    def line(self) -> str:
        """What a person reads."""
        return self.message if self.status == "interrupted" else f"error: {self.message}"


@contextmanager
def in_run(folder: Path | None, stopped: str = "interrupted") -> Iterator[None]:
    """Work in a run directory: say how to go on when stopped, leave tracebacks there.

    Args:
        folder: the directory, or None while it has no name.
        stopped: what to say on Ctrl-C where the run itself does not catch it.

    Raises:
        Interrupted: the person pressed Ctrl-C.
        UnforeseenError: something nobody foresaw.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(stopped) from None
    except MoesaicError:
        raise
    except Exception as error:
        raise UnforeseenError(folder) from error


def resume_hint(folder: Path | str) -> str:
    """Return the command that continues a run, fit for a shell."""
    return f"moesaic resume {shlex.quote(str(folder))}"


def refusal(error: Exception) -> Refusal:
    """Return what to say about an error; the traceback of an unforeseen one goes to a file."""
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error, file=sys.stderr)
    full = _disk_full(error)
    if isinstance(error, MoesaicError):
        status = "interrupted" if isinstance(error, Interrupted) else "error"
        return Refusal(2 if full else error.exit_code, status, _one_line(str(error)))
    cause = error.__cause__ if isinstance(error, UnforeseenError) and error.__cause__ else error
    folder = error.folder if isinstance(error, UnforeseenError) else None
    if full:
        place = folder or Path.cwd()
        return Refusal(2, "error", f"no space left on the disk for {place}: free some, try again")
    what = _one_line(f"{type(cause).__name__}: {cause}")[:300]
    where = _keep_traceback(cause, folder)
    return Refusal(1, "error", f"unforeseen {what} (traceback: {where})")


def _disk_full(error: BaseException) -> bool:
    return any(
        isinstance(found, OSError) and found.errno in _FULL for found in (error, error.__cause__)
    )


def _keep_traceback(error: BaseException, folder: Path | None) -> str:
    text = "".join(traceback.format_exception(error))
    try:
        if folder is not None and folder.is_dir():
            file = folder / "traceback.txt"
            file.write_text(text, encoding="utf-8")
            return str(file)
        with tempfile.NamedTemporaryFile(
            "w", prefix="moesaic-", suffix=".txt", delete=False, encoding="utf-8"
        ) as kept:
            kept.write(text)
            return kept.name
    except OSError:
        return f"could not be written; set {DEBUG}=1 to see it"


def _one_line(text: str) -> str:
    return " ".join(text.split())
