"""A directory that is there whole or not at all; it knows nothing of what is written."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moesaic.errors import DiskFull, InputError


@contextmanager
def whole_or_not(out: Path) -> Iterator[Path]:
    """Give a directory to write to, which becomes `out` when nothing goes wrong, and else goes.

    Raises:
        InputError: `out` is there already, cannot be made, or the disk is full.
    """
    half = out.parent / f".{out.name}.{os.getpid()}"
    _remove_leftovers(out)
    with _or_say_so(out):
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise InputError(f"{out} is there already: give a new directory with --out")
        half.mkdir(parents=True)
    try:
        yield half
        with _or_say_so(out):
            if out.exists():
                out.rmdir()
            half.replace(out)
    except DiskFull:
        raise InputError(f"no space left on the disk for {out}: free some, try again") from None
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _remove_leftovers(out: Path) -> None:
    """Remove what processes that were killed had begun to write for the same place."""
    for half in out.parent.glob(f".{glob.escape(out.name)}.*"):
        pid = half.name.rpartition(".")[2]
        if pid.isdecimal() and not _alive(int(pid)):
            shutil.rmtree(half, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


@contextmanager
def _or_say_so(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot make the directory {out}: {os.strerror(error.errno or 0)}; "
            "give another place with --out"
        ) from None
