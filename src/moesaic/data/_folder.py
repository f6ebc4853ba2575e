"""A folder of class subfolders of images as a source; a file that cannot be read is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from moesaic.data._dataset import Split
from moesaic.data._decode import Decoded, decode_images
from moesaic.data._source import DataSource, RawData
from moesaic.errors import InputError

SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"]
)
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
SKIPPED_LIMIT = 0.05


class _Found(NamedTuple):
    path: Path
    part: str
    label: int


class ImageFolderSource(DataSource):
    """A folder with a subfolder a class; or with train, test (validation) folders of such."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Read all images below the path `argument`; `decode_images` says at which size.

        Raises:
            InputError: there are none, or more than 5 % of them cannot be read.
        """
        root = Path(argument)
        found, classes = _find_images(root)
        decoded = decode_images([item.path for item in found], image_size)
        skipped = int((~decoded.readable).sum())
        if skipped > SKIPPED_LIMIT * len(found):
            raise InputError(
                f"{skipped} of {len(found)} images in '{root}' cannot be read (first "
                f"{decoded.fault}): mend or remove them"
            )
        kept = [item for item, good in zip(found, decoded.readable, strict=True) if good]
        splits = {
            part: _gather(kept, decoded, part) for part in sorted({item.part for item in found})
        }
        return RawData(
            train=splits["train"],
            classes=classes,
            validation=splits.get("validation"),
            test=splits.get("test"),
            skipped=skipped,
            notes=_notes(kept, classes, decoded, skipped),
        )


def _find_images(root: Path) -> tuple[list[_Found], tuple[str, ...]]:
    """Return the image files below a folder with their split and class, and the classes."""
    parts = _split_folders(root) or {root: "train"}
    groups = [(part, folder) for base, part in parts.items() for folder in _subfolders(base)]
    classes = tuple(sorted({folder.name for _, folder in groups}))
    found = [
        _Found(path, part, classes.index(folder.name))
        for part, folder in groups
        for path in _image_files(folder)
    ]
    if not found:
        loose = sum(path.suffix.lower() in SUFFIXES for path in root.iterdir())
        what = f"{loose} images but no class subfolders with images" if loose else "no images"
        raise InputError(
            f"the folder '{root}' holds {what}: expected one subfolder a class with image files in "
            "it, or .npy files (train_images.npy, train_labels.npy, ...; X.npy, y.npy)"
        )
    if all(item.part != "train" for item in found):
        raise InputError(
            f"the folder '{root}' holds no training images: the class subfolders of its 'train' "
            "folder are empty, fill them"
        )
    return found, classes


def _split_folders(root: Path) -> dict[Path, str]:
    """Return the folders of the splits, none where the subfolders are classes.

    Raises:
        InputError: splits beside other folders with images.
    """
    top = {folder: SPLIT_FOLDERS.get(folder.name.lower(), "") for folder in _subfolders(root)}
    splits = {folder: part for folder, part in top.items() if part}
    with_classes = {part for folder, part in splits.items() if _subfolders(folder)}
    if "train" not in with_classes:
        return {}
    others = [folder for folder, part in top.items() if not part and _image_files(folder)]
    if others and len(with_classes) > 1:
        raise InputError(
            f"the folder '{root}' holds {', '.join(f.name for f in splits)} with class subfolders, "
            f"and images in {', '.join(f.name for f in others[:5])} beside them: move either away"
        )
    return {} if others else splits  # "train" may be a class like the others


def _subfolders(folder: Path) -> list[Path]:
    """Return the subfolders in the order of their names, those that nobody made left out."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _made_by_a_program(p.name))


def _made_by_a_program(name: str) -> bool:
    """Whether a name is a hidden one, or what an archive of macOS leaves behind."""
    return name.startswith(".") or name == "__MACOSX"


def _image_files(folder: Path) -> list[Path]:
    """Return the image files at any depth below a folder, sorted."""

    def refuse(error: OSError) -> None:
        raise error

    found = []
    for base, folders, names in os.walk(folder, onerror=refuse):
        # copies in .ipynb_checkpoints and the like would be on both sides of a split
        folders[:] = [name for name in folders if not _made_by_a_program(name)]
        found += [
            Path(base, name)
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    return sorted(found)


def _gather(kept: Sequence[_Found], decoded: Decoded, part: str) -> Split:
    """Return one split of the readable images."""
    places = np.array([i for i, item in enumerate(kept) if item.part == part], dtype=np.int64)
    labels = torch.tensor([kept[i].label for i in places], dtype=torch.int64)
    return Split(torch.from_numpy(decoded.images[places]), labels)


def _notes(
    kept: Sequence[_Found], classes: tuple[str, ...], decoded: Decoded, skipped: int
) -> tuple[str, ...]:
    """Say what was done to the images and which were left out."""
    height, width = decoded.images.shape[2:]
    notes = []
    if decoded.largest != (width, height):
        notes.append(
            f"images of up to {decoded.largest[0]} x {decoded.largest[1]} pixels were brought to "
            f"{width} x {height}; --image-size sets another size"
        )
    if skipped:
        notes.append(f"{skipped} unreadable images were left out (first {decoded.fault})")
    filled = Counter(item.label for item in kept)
    empty = [name for label, name in enumerate(classes) if not filled[label]]
    if empty:
        notes.append(f"classes without an image: {', '.join(empty)}")
    return tuple(notes)
