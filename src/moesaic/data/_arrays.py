"""An .npz file or a folder of .npy files as a source; pickled objects in them are never loaded."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moesaic.data._convert import convert_inputs, convert_labels
from moesaic.data._dataset import Split
from moesaic.data._source import DataSource, RawData
from moesaic.errors import InputError

_NAMED = {
    part: (f"{part}_images", f"{part}_labels", f"{part}_domains")
    for part in ("train", "validation", "test")
}
_PLAIN = {"train": ("X", "y", "domains")}
_GROUPS = {"X": "groups", "train_images": "train_groups"}
KEYS = frozenset(key for keys in (*_NAMED.values(), *_PLAIN.values()) for key in keys) | {
    "classes",
    "domain_names",
    *_GROUPS.values(),
}
_SPLITS = frozenset(key for part in ("validation", "test") for key in _NAMED[part][:2])
EXPECTED = (
    "train_images and train_labels (and, if you have them, test_images, test_labels, classes), "
    "or X and y"
)

Read = Callable[[str], NDArray[Any]]


class NpzSource(DataSource):
    """One .npz file; `docs/data.md` lists its keys."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Read the arrays of the file at the path `argument`."""
        if Path(argument).stat().st_size == 0:
            raise InputError(f"'{argument}' is empty: save it again with numpy.savez")
        with open(argument, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise InputError(
                    f"'{argument}' is not an .npz (zip) file, or it is cut short: save it again "
                    "with numpy.savez"
                )
        try:
            with np.load(argument, allow_pickle=False) as archive:
                return raw_from_arrays(argument, list(archive.files), archive.__getitem__)
        except (
            *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError),
            *(RuntimeError, ValueError),  # encrypted; something before the archive
        ) as error:
            raise InputError(f"'{argument}' is damaged ({error}): copy or save it again") from error


class NpyFolderSource(DataSource):
    """A folder of .npy files named like the keys of an .npz."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Read the arrays of the folder at the path `argument`."""
        folder = Path(argument)

        def read(key: str) -> NDArray[Any]:
            # Mapped, so that images to be converted are not in memory twice.
            array: NDArray[Any] = np.load(folder / f"{key}.npy", "r", allow_pickle=False)
            return array

        return raw_from_arrays(argument, [path.stem for path in folder.glob("*.npy")], read)


def raw_from_arrays(where: str, present: list[str], read: Read) -> RawData:
    """Make the data of a source from named arrays.

    Args:
        where: the file or folder, for messages.
        present: the names there are.
        read: loads an array by name; only known names are asked for.

    Raises:
        InputError: wrong names, or arrays that cannot be the inputs or the labels.
    """
    layout = _PLAIN if {"X", "y"} <= set(present) else _NAMED
    if not set(layout["train"][:2]) <= set(present):
        listed = ", ".join(sorted(present)) or "nothing"
        raise InputError(f"'{where}' holds {listed}: expected {EXPECTED}")
    mixed = sorted(set(present) & _SPLITS) if layout is _PLAIN else []
    if mixed:
        raise InputError(
            f"'{where}' holds X and y beside {', '.join(mixed)}: name X and y train_images and "
            "train_labels, or leave the others out"
        )
    parts = {
        part: keys for part, keys in layout.items() if keys[0] in present or keys[1] in present
    }
    for keys in parts.values():
        for key in keys[:2]:
            if key not in present:
                raise InputError(
                    f"'{where}' holds {', '.join(sorted(present))} but no '{key}': add it, or "
                    "leave out what goes with it"
                )

    def get(key: str) -> NDArray[Any]:
        return _read(read, key, where)

    inputs, notes = convert_inputs({keys[0]: get(keys[0]) for keys in parts.values()}, where)
    labels = {part: convert_labels(get(k[1]), k[1], where) for part, k in parts.items()}
    given = {part: k[2] for part, k in parts.items() if k[2] in present}
    domains = {part: convert_labels(get(key), key, where) for part, key in given.items()}
    classes = _names(get("classes"), "classes", where) if "classes" in present else None
    named = (
        _names(get("domain_names"), "domain_names", where) if "domain_names" in present else None
    )
    if classes is None:
        labels, classes = _number(labels)
    if domains and named is None:
        domains, named = _number(domains)
    splits = {
        part: Split(
            inputs[keys[0]],
            torch.from_numpy(labels[part]),
            torch.from_numpy(domains[part]) if part in domains else None,
        )
        for part, keys in parts.items()
    }
    spellings = (_GROUPS[layout["train"][0]], *_GROUPS.values())
    spelt = next((name for name in spellings if name in present), "")
    groups = _group_numbers(get(spelt), spelt, where) if spelt else None
    used = {name for keys in parts.values() for name in keys} | {"classes", "domain_names", spelt}
    unused = sorted(set(present) - used)
    if unused:
        notes.append(f"not used: {', '.join(unused)}")
    return RawData(
        splits["train"],
        classes,
        splits.get("validation"),
        splits.get("test"),
        named if domains else None,
        notes=tuple(notes),
        groups=groups,
    )


def _group_numbers(array: NDArray[Any], key: str, where: str) -> Tensor:
    """Return groups (N,), named by numbers or text, numbered from 0."""
    if array.ndim != 1 or array.dtype.kind not in "USiu":
        raise InputError(
            f"'{key}' in '{where}' is {array.dtype} {array.shape}: expected a number or a name of "
            "every training sample's group, (N,)"
        )
    return torch.from_numpy(np.unique(array, return_inverse=True)[1].astype(np.int64))


def _read(read: Read, key: str, where: str) -> NDArray[Any]:
    """Load one array, wording what NumPy refuses."""
    try:
        array = read(key)
    except (ValueError, EOFError, TokenError) as error:  # the header is a Python literal
        text = (str(error).splitlines() or [type(error).__name__])[0]
        if "pickle" in text or "Python objects" in text:
            raise InputError(
                f"'{key}' in '{where}' is no plain array (pickles are never loaded): "
                "save numbers, and class names with dtype str"
            ) from error
        raise InputError(f"'{key}' in '{where}' is damaged ({text}): save it again") from error
    except MemoryError as error:
        raise InputError(
            f"'{key}' in '{where}' does not fit into memory ({error}): give fewer samples, or "
            "smaller images"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"'{key}' in '{where}' is no array: save it with numpy.save")
    return array


def _names(array: NDArray[Any], key: str, where: str) -> tuple[str, ...]:
    """Return class or domain names (C,) as text."""
    if array.ndim != 1 or array.dtype.kind not in "USiu":
        raise InputError(
            f"'{key}' in '{where}' is {array.dtype} {array.shape}: expected a list of names"
        )
    return tuple(
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in array.tolist()
    )


def _number(
    values: Mapping[str, NDArray[np.int64]],
) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Renumber values that have no names from 0 on and name them by what they were."""
    known = np.unique(np.concatenate(list(values.values())))
    return (
        {part: np.searchsorted(known, array) for part, array in values.items()},
        tuple(str(value) for value in known.tolist()),
    )
