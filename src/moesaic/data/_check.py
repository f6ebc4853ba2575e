"""Checks that hold for the data of every source; it mends nothing."""

from __future__ import annotations

import torch

from moesaic.data._dataset import Split
from moesaic.data._source import RawData
from moesaic.errors import InputError

SMALLEST_IMAGE, LARGEST_IMAGE = 4, 512
FEWEST_SAMPLES = 10


def check_image_size(size: int) -> None:
    """Refuse an image side, in pixels, that no search could work with.

    Raises:
        InputError: it is below 4 or above 512.
    """
    if not SMALLEST_IMAGE <= size <= LARGEST_IMAGE:
        raise InputError(
            f"image size {size} is out of range: give --image-size between "
            f"{SMALLEST_IMAGE} and {LARGEST_IMAGE} pixels"
        )


def check_raw(name: str, raw: RawData) -> None:
    """Refuse data that breaks the contract of `RawData` or is too little to learn from.

    Args:
        name: the source, as the person wrote it.
        raw: what it handed over.

    Raises:
        InputError: with the first fault found.
    """
    total = sum(len(split) for split in raw.splits().values())
    for part, split in raw.splits().items():
        _check_split(f"the {part} split of '{name}'", split, raw)
    if raw.groups is not None and raw.groups.shape != raw.train.labels.shape:
        raise InputError(
            f"the train split of '{name}' has groups {tuple(raw.groups.shape)} for "
            f"{len(raw.train)} samples: give one each"
        )
    if total < FEWEST_SAMPLES:
        raise InputError(f"'{name}' holds {total} samples: at least {FEWEST_SAMPLES} are needed")
    if len(set(raw.classes)) < len(raw.classes):
        twice = next(c for c in raw.classes if raw.classes.count(c) > 1)
        raise InputError(f"'{name}' names two classes '{twice}': give every class its own name")
    present = torch.unique(raw.train.labels)
    if len(present) < 2:
        raise InputError(
            f"'{name}' holds one class only ('{raw.classes[int(present[0])]}'): "
            "at least two are needed to tell apart"
        )


def _check_split(what: str, split: Split, raw: RawData) -> None:
    """Refuse one split that is empty or that disagrees with itself or with the train split."""
    inputs, labels, count = split.inputs, split.labels, len(split)
    if count == 0:
        raise InputError(f"{what} holds no samples: leave it out or fill it")
    if len(inputs) != count:
        raise InputError(f"{what} has {len(inputs)} inputs and {count} labels: make them equal")
    image = inputs.dim() == 4 and inputs.dtype == torch.uint8 and inputs.shape[1] in (1, 3)
    vector = inputs.dim() == 2 and inputs.dtype == torch.float32
    if not image and not vector:
        raise InputError(
            f"{what} has inputs {tuple(inputs.shape)} of {inputs.dtype}: expected uint8 images "
            "(N, 1 or 3, H, W) or float32 vectors (N, D)"
        )
    if inputs.shape[1:] != raw.train.inputs.shape[1:]:
        raise InputError(
            f"{what} has inputs of shape {tuple(inputs.shape[1:])}, the train split "
            f"{tuple(raw.train.inputs.shape[1:])}: make them equal"
        )
    if 0 in inputs.shape[1:]:
        raise InputError(
            f"{what} has inputs of shape {tuple(inputs.shape[1:])}, nothing to see: give images of "
            "one pixel or more, or vectors of one number or more"
        )
    _check_indices(f"{what}, labels", labels, len(raw.classes), "class names")
    if (split.domains is None) != (raw.domain_names is None):
        raise InputError(f"{what} must have domain labels where, and only where, domains are named")
    names = raw.domain_names or ()
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise InputError(f"{what} names two domains '{twice}': give every domain its own name")
    if split.domains is not None and raw.domain_names is not None:
        if len(split.domains) != count:
            raise InputError(
                f"{what} has {len(split.domains)} domain labels for {count} samples: give one each"
            )
        _check_indices(f"{what}, domains", split.domains, len(raw.domain_names), "domain names")
    if vector:
        _check_finite(what, inputs)


def _check_indices(what: str, values: torch.Tensor, names: int, of: str) -> None:
    """Refuse values that are no int64 indices into `names` names."""
    low, high = int(values.min()), int(values.max())
    if values.dtype != torch.int64 or low < 0 or high >= names:
        raise InputError(
            f"{what} lie in {low} .. {high}, out of range: with {names} {of} they must be whole "
            f"numbers in 0 .. {names - 1}"
        )


def _check_finite(what: str, inputs: torch.Tensor) -> None:
    """Refuse vectors (N, D) with NaN or infinite values, naming the first sample that has one."""
    bad = ~torch.isfinite(inputs).all(dim=1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0, 0])
        raise InputError(
            f"{what} has NaN, infinite or too large values (float32 ends at 3.4e38) in "
            f"{int(bad.sum())} of {len(inputs)} samples (the first is sample {first}): fill or "
            "drop them"
        )
