"""A copy of a run directory's files on a worker's machine; it moves nothing between machines."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import write_atomic
from moesaic.errors import InputError
from moesaic.execution._base import FILE_KEYS

try:
    import fcntl
except ImportError:  # Windows: what a killed worker leaves is not found there
    fcntl = None  # type: ignore[assignment]

_PREFIX = "moesaic-mirror-"
_ALIVE = ".alive"
_held: dict[str, int] = {}  # by name: descriptors whose lock says that this process uses a mirror


@dataclass(frozen=True)
class FileStamp:
    """A file and its version: name relative to the folder, size in bytes, time of change in ns."""

    name: str
    size: int
    changed: int


def stamps(folder: Path, needs: Iterable[str]) -> tuple[FileStamp, ...]:
    """Return the files that `needs` names in a folder, in order; what is missing is left out.

    Raises:
        InputError: a name leads out of the folder.
    """
    found: dict[str, FileStamp] = {}
    for need in needs:
        place = folder / inside(need)
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file():
                status, name = path.stat(), path.relative_to(folder).as_posix()
                found[name] = FileStamp(name, status.st_size, status.st_mtime_ns)
    return tuple(found.values())


def inside(name: str) -> str:
    """Return a name that stays in its folder.

    Raises:
        InputError: it does not.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise InputError(f"'{name}' leads out of the run directory: expected a name relative to it")
    return name


def open_mirror(name: str) -> Path:
    """Return the mirror of that name on this machine, made when it is not there.

    It is kept until `remove_mirror`, or until this process and all others that use it are dead and
    another one looks for such remains, as this function does when it makes a mirror.
    """
    place = Path(tempfile.gettempdir()) / f"{_PREFIX}{name}"
    while True:
        if name in _held:
            if place.exists():
                return place
            os.close(_held.pop(name))
        _sweep()
        place.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(place / _ALIVE, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # swept before it could be locked: once more
            continue
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink or fcntl is None:
            _held[name] = descriptor
        else:
            os.close(descriptor)


def fill_mirror(
    mirror: Path, wanted: Sequence[FileStamp], contents: Sequence[NDArray[np.uint8]]
) -> None:
    """Bring the files in a mirror up to date.

    Several workers may do it at once: a file is replaced in one step, and what is open stays.

    Args:
        mirror: from `open_mirror`.
        wanted: names and versions.
        contents: the bytes of each.
    """
    for stamp, content in zip(wanted, contents, strict=True):
        path = mirror / inside(stamp.name)
        if path.is_file():
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (stamp.size, stamp.changed):
                continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content.tofile)
        os.utime(path, ns=(stamp.changed, stamp.changed))


def take_files(mirror: Path, value: Any) -> dict[str, NDArray[np.uint8]]:
    """Take the files that a returned mapping names out of a mirror.

    Raises:
        FileNotFoundError: the function named a file that it did not write.
        InputError: a name leads out of the mirror.
    """
    taken = {
        name: np.fromfile(mirror / inside(name), dtype=np.uint8) for name in returned_files(value)
    }
    for name in taken:
        (mirror / name).unlink()
    return taken


def bring_home(folder: Path, files: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write what `take_files` took into the real directory, each file whole or not at all.

    Raises:
        InputError: a name leads out of the directory.
        DiskFull: there is no room.
    """
    for name, content in files.items():
        path = folder / inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content.tofile)


def returned_files(value: Any) -> list[str]:
    """Return the files that a returned mapping names."""
    if not isinstance(value, Mapping):
        return []
    found: list[str] = []
    for key in FILE_KEYS:
        named = value.get(key)
        found += [named] if isinstance(named, str) else list(named or ())
    return found


def remove_mirror(name: str) -> None:
    """Remove a mirror from this machine, whoever uses it."""
    if name in _held:
        os.close(_held.pop(name))
    shutil.rmtree(Path(tempfile.gettempdir()) / f"{_PREFIX}{name}", ignore_errors=True)


def _sweep() -> None:
    """Remove the mirrors that no living process uses."""
    if fcntl is None:
        return
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with (place / _ALIVE).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (place / _ALIVE).unlink()
                shutil.rmtree(place, ignore_errors=True)
        except OSError:  # in use, being made, or not ours
            continue
