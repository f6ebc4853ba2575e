"""Texture patches cut from the photographs inside scikit-image; nothing is downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from moesaic.data._dataset import Split
from moesaic.data._digits import refuse_argument
from moesaic.data._source import DataSource, RawData
from moesaic.data._split import HELD_OUT
from moesaic.errors import InputError
from moesaic.seeds import generator

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "cell.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "retina.jpg",
)
SIDE = 32
COUNTS = {"train": 122, "validation": 30, "test": 38}
# Below this standard deviation (grey levels) a patch is blank: sky, or the black around an eye.
_BLANK = 2.0


class TexturesSource(DataSource):
    """RGB patches of 32 x 32 pixels, a class a photograph, up to 190 patches of each.

    A photograph is cut into columns one patch wide. Whole columns belong to train, validation or
    test, so no two splits share a pixel (nor do two patches).
    """

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Return the patches; the seed chooses the validation columns, test is always the same."""
        refuse_argument("textures", argument)
        folder = photograph_folder()
        found: dict[str, list[NDArray[np.uint8]]] = {part: [] for part in COUNTS}
        labels: dict[str, list[int]] = {part: [] for part in COUNTS}
        for label, file in enumerate(PHOTOGRAPHS):
            photograph = read_photograph(folder / file)
            for part, corners in patch_corners(photograph, seed, label).items():
                patches = [photograph[r : r + SIDE, c : c + SIDE] for r, c in corners]
                found[part].extend(patches)
                labels[part].extend([label] * len(patches))
        splits = {
            part: Split(
                torch.from_numpy(np.ascontiguousarray(np.stack(found[part]).transpose(0, 3, 1, 2))),
                torch.tensor(labels[part]),
            )
            for part in COUNTS
        }
        classes = tuple(Path(file).stem for file in PHOTOGRAPHS)
        return RawData(splits["train"], classes, splits["validation"], splits["test"])


def photograph_folder() -> Path:
    """Return the folder of the photographs without importing scikit-image.

    Raises:
        InputError: this scikit-image ships no photographs.
    """
    spec = importlib.util.find_spec("skimage")
    folder = Path(spec.origin).parent / "data" if spec is not None and spec.origin else None
    missing = [f for f in PHOTOGRAPHS if folder is None or not (folder / f).is_file()]
    if folder is None or missing:
        raise InputError(
            f"the installed scikit-image lacks {', '.join(missing)}: install scikit-image >= 0.24 "
            "from a wheel, or use --data digits"
        )
    return folder


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Return a photograph as RGB (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def patch_corners(
    photograph: NDArray[np.uint8], seed: int, index: int
) -> dict[str, list[tuple[int, int]]]:
    """Choose the patches of one photograph.

    Args:
        photograph: RGB (H, W, 3).
        seed: the run's seed; chooses the validation columns.
        index: which photograph of the source it is.

    Returns:
        For every split the top left corners (row, column) in pixels.
    """
    rows, columns = photograph.shape[0] // SIDE, photograph.shape[1] // SIDE
    grid = photograph[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, 3)
    detail = grid.mean(axis=4).std(axis=(1, 3))
    held = max(1, round(columns * HELD_OUT))
    test = np.linspace(0, columns - 1, held + 2).round().astype(int)[1:-1]
    rest = np.setdiff1d(np.arange(columns), test)
    validation = generator(seed, "split", index).choice(rest, size=held, replace=False)
    bands = {"train": np.setdiff1d(rest, validation), "validation": validation, "test": test}
    chosen = {}
    for part, band in bands.items():
        corners = [
            (r * SIDE, int(c) * SIDE)
            for r in range(rows)
            for c in np.sort(band)
            if detail[r, c] >= _BLANK
        ]
        # Evenly spread over the photograph: its parts differ.
        places = np.linspace(0, len(corners) - 1, min(COUNTS[part], len(corners))).round()
        chosen[part] = [corners[int(place)] for place in places]
    return chosen
