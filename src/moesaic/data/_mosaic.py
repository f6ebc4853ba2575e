"""The built-in data set of two unlike domains: digits and textures, joined; it works offline."""

from __future__ import annotations

from moesaic.data._digits import DigitsSource, refuse_argument
from moesaic.data._join import join_datasets
from moesaic.data._source import DataSource, RawData
from moesaic.data._split import divide
from moesaic.data._textures import TexturesSource

_SIDE = 16


class MosaicSource(DataSource):
    """Digits and texture patches: about 3,700 images, 20 classes, two domains, RGB, 16 x 16."""

    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Return both, divided and at one size (16 pixels unless another is wanted)."""
        refuse_argument("mosaic", argument)
        parts = [
            divide(name, source.load("", seed=seed, image_size=image_size), seed)
            for name, source in (("digits", DigitsSource()), ("textures", TexturesSource()))
        ]
        joined = join_datasets(parts, image_size or _SIDE)
        return RawData(
            joined.train, joined.classes, joined.validation, joined.test, joined.domain_names
        )
