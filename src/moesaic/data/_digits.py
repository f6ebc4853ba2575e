"""scikit-learn's handwritten digits as a source; they come with the package, nothing is fetched."""

from __future__ import annotations

import numpy as np
import torch

from moesaic.data._dataset import Split
from moesaic.data._source import DataSource, RawData
from moesaic.errors import InputError


class DigitsSource(DataSource):
    """1,797 grey digits of 8 x 8 pixels in ten classes (the UCI test set scikit-learn ships)."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Return the digits, their 17 grey levels stretched to 0 .. 255."""
        refuse_argument("digits", argument)
        # Imported here: scikit-learn takes longer to import than many commands to run.
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
        labels = torch.from_numpy(digits.target.astype(np.int64))
        classes = tuple(str(digit) for digit in range(10))
        return RawData(Split(torch.from_numpy(images), labels), classes)


def refuse_argument(name: str, argument: str) -> None:
    """Refuse `name:argument` for a source that takes none."""
    if argument:
        raise InputError(f"the source '{name}' takes no argument, '{argument}' was given")
