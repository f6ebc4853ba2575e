"""From what the person wrote after `--data` to a `Dataset`; reading is left to the sources."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from moesaic.data._arrays import KEYS, NpyFolderSource, NpzSource
from moesaic.data._check import check_image_size, check_raw
from moesaic.data._dataset import Dataset
from moesaic.data._folder import ImageFolderSource
from moesaic.data._join import join_datasets
from moesaic.data._registry import find_source, source_names
from moesaic.data._source import DataSource
from moesaic.data._split import divide
from moesaic.errors import InputError


def load_dataset(spec: str, *, image_size: int | None = None, seed: int = 0) -> Dataset:
    """Read, divide and join the data.

    Args:
        spec: one or more sources joined by `+`: names (`mosaic`, `digits`, `textures`, `toy`, or
            what packages add, `name` or `name:argument`) and paths (an .npz file, a folder of .npy
            files, a folder of class subfolders of images). A path that contains `+` and exists is
            one path. A name goes before a file of that name; write `./name` for the file.
        image_size: side of the images in pixels, or None for the sources' own.
        seed: of the splits, and of sources that generate their samples.

    Returns:
        The data set, in memory. Given test and validation splits are kept; see `divide`.

    Raises:
        InputError: whatever is wrong with it, in one line.
    """
    if image_size is not None:
        check_image_size(image_size)
    parts = [_load_source(item, image_size, seed) for item in split_spec(spec)]
    return join_datasets(parts, image_size)


def split_spec(spec: str) -> list[str]:
    """Return the sources of a spec, taking an existing path that contains `+` as one.

    Raises:
        InputError: a source is empty.
    """
    pieces = spec.split("+")
    sources = []
    start = 0
    while start < len(pieces):
        end = start + 1
        for last in range(len(pieces), start + 1, -1):
            if os.path.exists(os.path.expanduser("+".join(pieces[start:last]))):
                end = last
                break
        sources.append("+".join(pieces[start:end]).strip())
        start = end
    if not all(sources):
        raise InputError(f"--data '{spec}' has an empty source: write A+B, each a name or a path")
    return sources


def _load_source(item: str, image_size: int | None, seed: int) -> Dataset:
    """Return one source, checked and divided."""
    try:
        name, source, argument = _resolve(item)
        raw = source.load(argument, seed=seed, image_size=image_size)
    except OSError as error:
        file = f" ({error.filename})" if error.filename and str(error.filename) != item else ""
        raise InputError(
            f"cannot read '{item}'{file}: {error.strerror or error}; check path and permissions"
        ) from error
    check_raw(item, raw)
    return divide(name, raw, seed)


def _resolve(item: str) -> tuple[str, DataSource, str]:
    """Return a short name for a source, the source, and the argument it is loaded with."""
    head, colon, argument = item.partition(":")
    source = find_source(head)
    if source is not None:
        return (f"{head}:{argument}" if colon else head), source, argument
    path = Path(os.path.expanduser(item))  # leaves ~nobody as it is
    if not os.path.lexists(path):
        raise _missing(item, path)
    if path.is_dir():
        short = path.resolve().name or "data"
        arrays = any(file.suffix == ".npy" and file.stem in KEYS for file in path.iterdir())
        return short, NpyFolderSource() if arrays else ImageFolderSource(), str(path)
    if path.suffix.lower() == ".npz":
        return path.stem, NpzSource(), str(path)
    hint = (
        "put it into a folder as X.npy beside y.npy and give the folder"
        if path.suffix.lower() == ".npy"
        else "expected an .npz file, a folder of class subfolders of images or a folder of .npy"
    )
    raise InputError(f"'{item}' is not a kind of file that --data takes: {hint}")


def _missing(item: str, path: Path) -> InputError:
    """Word the error for a source that is neither a name nor a path, with the nearest ones."""
    names = source_names()
    try:
        beside = {entry.name: str(path.parent / entry.name) for entry in path.parent.iterdir()}
    except PermissionError:
        return InputError(f"'{item}' cannot be looked at: '{path.parent}' may not be read")
    except OSError:
        beside = {}
    near = [f"'{name}'" for name in difflib.get_close_matches(item, names, n=2)]
    near += [f"'{beside[name]}'" for name in difflib.get_close_matches(path.name, beside, n=2)]
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"give a path that exists or one of {', '.join(names)}"
    )
    return InputError(f"no source or path '{item}': {hint}")
