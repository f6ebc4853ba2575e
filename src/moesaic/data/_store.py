"""A data set as a folder of .npy files that workers map into memory; it never loads pickles."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from moesaic.data._dataset import Dataset, Split
from moesaic.errors import InputError

_META = "meta.json"
_FORMAT = 1


def save_dataset(dataset: Dataset, folder: str | os.PathLike[str]) -> None:
    """Write a data set; writing the same one again changes nothing.

    Every file is written under a temporary name, synced and renamed, `meta.json` last, so a folder
    with a `meta.json` is whole.

    Raises:
        InputError: the folder holds another data set, or cannot be written.
    """
    folder = Path(folder)
    arrays = {
        f"{part}_{name}.npy": tensor
        for part, split in _parts(dataset).items()
        for name, tensor in _tensors(split).items()
    }
    meta = {
        "format": _FORMAT,
        "name": dataset.name,
        "classes": list(dataset.classes),
        "domain_names": None if dataset.domain_names is None else list(dataset.domain_names),
        "skipped": dataset.skipped,
        "notes": list(dataset.notes),
        "fingerprint": dataset.fingerprint(),
        "files": sorted(arrays),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / _META).exists():
            _refuse_other(folder, meta)
            if all((folder / file).exists() for file in arrays):
                return
        for file, tensor in arrays.items():
            _write(folder / file, _array_writer(tensor))
        text = json.dumps(meta, indent=1).encode()
        _write(folder / _META, lambda stream: stream.write(text))
    except OSError as error:
        raise InputError(
            f"cannot write the data to '{folder}': {error.strerror or error}; free some space or "
            "choose another folder"
        ) from error


def open_dataset(folder: str | os.PathLike[str], *, test: bool = False) -> Dataset:
    """Open a saved data set, mapped into memory (shared between processes, private when written).

    Args:
        folder: what `save_dataset` wrote.
        test: False leaves the files of the test split closed; it is empty then, so that nothing in
            a search can look at it.

    Raises:
        InputError: the folder is not a whole, saved data set.
    """
    folder = Path(folder)
    try:
        meta = _read_meta(folder)
        names = meta["domain_names"]
        train, validation = (_open_split(folder, part, meta) for part in ("train", "validation"))
        held = _open_split(folder, "test", meta) if test else _empty_like(train)
        return Dataset(
            name=meta["name"],
            train=train,
            validation=validation,
            test=held,
            classes=tuple(meta["classes"]),
            domain_names=None if names is None else tuple(names),
            skipped=meta["skipped"],
            notes=tuple(meta["notes"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"'{folder}' is not a whole saved data set ({error}): put it back from a copy, or save "
            "it again (a run: search anew)"
        ) from error


def _refuse_other(folder: Path, meta: dict[str, Any]) -> None:
    """Refuse to write over anything but the same data set."""
    try:
        same = _read_meta(folder) == meta
    except ValueError:
        same = False
    if not same:
        raise InputError(f"'{folder}' holds other data already: choose another folder")


def _parts(dataset: Dataset) -> dict[str, Split]:
    return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}


def _tensors(split: Split) -> dict[str, Tensor]:
    """Return the tensors of a split by the name of their file."""
    tensors = {"inputs": split.inputs, "labels": split.labels}
    return tensors if split.domains is None else {**tensors, "domains": split.domains}


def _read_meta(folder: Path) -> dict[str, Any]:
    meta = json.loads((folder / _META).read_text())
    if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
        raise ValueError(f"{_META} is not of format {_FORMAT}")
    return meta


def _open_split(folder: Path, part: str, meta: dict[str, Any]) -> Split:
    """Map the files of one split."""

    def tensor(name: str) -> Tensor:
        # "c" (copy on write) rather than "r": torch has no read-only tensors and warns about them.
        return torch.from_numpy(np.load(folder / f"{part}_{name}.npy", "c", allow_pickle=False))

    owned = f"{part}_domains.npy" in meta["files"]
    return Split(tensor("inputs"), tensor("labels"), tensor("domains") if owned else None)


def _empty_like(split: Split) -> Split:
    """Return a split without samples whose inputs have the same shape."""
    return split.take(torch.zeros(0, dtype=torch.int64))


def _array_writer(tensor: Tensor) -> Callable[[IO[bytes]], Any]:
    return lambda stream: np.save(stream, tensor.numpy(), allow_pickle=False)


def _write(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file so that it is there whole or not at all, whenever the power goes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
