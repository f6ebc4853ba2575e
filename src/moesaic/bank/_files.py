"""Files beside the database, written so that a kill leaves the old file, the new one or neither.

It knows nothing of trials or of the database: a file counts only once the bank names it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from moesaic.errors import DamagedRun, DiskFull, InputError

try:
    import fcntl
except ImportError:  # Windows: no advisory locks, and an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

PREDICTIONS = "predictions"
CHECKPOINTS = "checkpoints"
_TEMPORARY = ".tmp-"
_WRITTEN = (PREDICTIONS, CHECKPOINTS, "data", "structure", "model")  # folders of a run
_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, bytes_writer: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name in the same folder, fsync, rename, fsync the folder.

    Args:
        path: the final name; a file that is already there is replaced in one step.
        bytes_writer: writes the content into the open binary file it is given.

    Raises:
        RunFailed: the disk is full or the quota is used up; nothing is left behind.
    """
    with full_disk_is_clear(path):
        temporary, descriptor = _open_locked(path)
        try:
            with os.fdopen(descriptor, "wb") as file:
                bytes_writer(file)
                file.flush()
                os.fsync(file.fileno())
                if fcntl is not None:  # renamed under the lock, so no cleaner can take it away
                    os.replace(temporary, path)
            if fcntl is None:
                os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def save_predictions(folder: Path, key: str, array: NDArray[np.floating]) -> str:
    """Store log-probabilities and return the file's name relative to `folder`.

    Args:
        folder: the run directory.
        key: the trial's key.
        array: (N_val, classes), any float type; stored as float16, values below its range at
            the lowest finite one so that no routing weight of 0 can turn them into NaN.

    Raises:
        InputError: the array is not two-dimensional.
        RunFailed: the disk is full.
    """
    if array.ndim != 2:
        raise InputError(f"predictions of shape {array.shape}: expected (samples, classes)")
    lowest = float(np.finfo(np.float16).min)
    half = np.clip(array, lowest, -lowest).astype(np.float16)
    name = _file_name(PREDICTIONS, key, "npy")
    (folder / PREDICTIONS).mkdir(parents=True, exist_ok=True)
    write_atomic(folder / name, lambda file: np.save(file, half, allow_pickle=False))
    return name


def save_checkpoint(folder: Path, key: str, state_dict: Mapping[str, Tensor]) -> str:
    """Store weights as safetensors and return the file's name relative to `folder`.

    Every tensor is copied to contiguous memory of its own first: safetensors refuses shared
    storage, so tied weights are stored once per name.

    Raises:
        RunFailed: the disk is full.
    """
    from safetensors.torch import save

    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state_dict.items()}
    content = save(own)
    name = _file_name(CHECKPOINTS, key, "safetensors")
    (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    write_atomic(folder / name, lambda file: file.write(content))
    return name


def read_predictions(path: Path) -> NDArray[np.float16]:
    """Read what `save_predictions` wrote, float16 (N_val, classes).

    Raises:
        DamagedRun: the file is missing, truncated or holds something else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, f"predictions: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype != np.float16 or array.ndim != 2:
        raise damaged(path, "no float16 predictions (samples, classes)")
    return array


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the weights that `save_checkpoint` wrote, by name.

    Raises:
        DamagedRun: the file is missing, truncated or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise damaged(path, f"weights: {error}") from error


def damaged(path: Path, reason: str) -> DamagedRun:
    """Word the error for a file of a run that cannot be read, in one line."""
    first = (reason.splitlines() or [""])[0]
    return DamagedRun(
        f"{path} is missing or damaged ({first}): put it back from a copy of the run, or begin "
        "anew with another --out"
    )


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files whose writer is dead and return how many there were.

    A writer holds a lock on its temporary file for as long as it lives, so a second process
    that opens the run (`moesaic status`) never takes a file away from the first.
    """
    removed = 0
    for place in (folder, *(folder / name for name in _WRITTEN)):
        for path in place.glob(f"{_TEMPORARY}*"):
            try:
                with path.open("rb") as file:
                    if fcntl is not None:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    removed += 1
            except OSError:  # being written, just renamed, or not ours to remove
                continue
    return removed


@contextmanager
def full_disk_is_clear(path: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(path) from error
        raise


def disk_full(path: Path | str) -> DiskFull:
    """Return the error for a disk without room for `path`."""
    return DiskFull(
        f"no space left on the disk while writing {path}: free some, then resume the run; "
        "what was finished is kept"
    )


def _open_locked(path: Path) -> tuple[Path, int]:
    while True:
        temporary = path.parent / f"{_TEMPORARY}{secrets.token_hex(6)}-{path.name}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        if fcntl is None:
            return temporary, descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # a cleaner came between creating and locking: take another name


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there; NTFS journals the rename itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_name(kind: str, key: str, suffix: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]+", key):
        raise InputError(f"'{key}' cannot name a file: expected a trial's key, 16 hex digits")
    return f"{kind}/{key}.{suffix}"
