"""What a source of data is and what it hands over; it knows no concrete source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from moesaic.data._dataset import Split


@dataclass(frozen=True)
class RawData:
    """What a source read, before it is divided, matched in size and joined.

    Attributes:
        train: all samples, or those that are not in a split of their own.
        classes: names of the classes, all different; labels are indices into them.
        validation: the source's own validation split, or None to have one drawn from `train`.
        test: the source's own test split, or None to have one drawn from `train`.
        domain_names: names of the domains that the splits' `domains` index, or None.
        skipped: samples that could not be read and were left out.
        notes: what the person should know about the reading, one sentence each.
        groups: int64 (N,), which samples of `train` belong together, such as frames of one video:
            a split that is drawn divides no group. None where every sample stands alone.
    """

    train: Split
    classes: tuple[str, ...]
    validation: Split | None = None
    test: Split | None = None
    domain_names: tuple[str, ...] | None = None
    skipped: int = 0
    notes: tuple[str, ...] = ()
    groups: Tensor | None = None

    def splits(self) -> dict[str, Split]:
        """Return the splits that are there, by name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in found.items() if split is not None}


class DataSource(ABC):
    """One kind of `--data`: reads samples into memory and leaves splitting and resizing to others.

    A third party adds one by subclassing and by an entry point in the group `moesaic.sources`, or
    by `register_source`. Instances are made without arguments and hold no state.
    """

    @abstractmethod
    def load(self, argument: str, *, seed: int, image_size: int | None) -> RawData:
        """Read the samples.

        The same arguments must give the same samples in the same order.

        Args:
            argument: what follows the name and a colon in `--data name:argument`, "" without one;
                for files and folders, the path.
            seed: the run's seed, for sources that generate their samples.
            image_size: the side in pixels that will be used in the end, or None for the source's
                own; a hint that spares decoding at full size, safe to ignore.

        Raises:
            InputError: the source holds nothing that can be used.
            OSError: a file cannot be read; reported as one line.
        """
