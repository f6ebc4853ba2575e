"""A data set in numbers, for `moesaic data` and the report; it prints nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moesaic.data._dataset import Dataset


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return a JSON-able summary: shape, and counts by split, class and domain.

    Counts come in the order train, validation, test; a data set opened without its test split
    counts 0 there.
    """
    splits = {
        "train": dataset.train,
        "validation": dataset.validation,
        "test": dataset.test,
    }
    domains = {
        part: torch.zeros(0, dtype=torch.int64) if split.domains is None else split.domains
        for part, split in splits.items()
    }
    return {
        "name": dataset.name,
        "kind": "images" if dataset.is_images else "vectors",
        "input_shape": list(dataset.input_shape),
        "samples": {part: len(split) for part, split in splits.items()},
        "classes": _count({p: s.labels for p, s in splits.items()}, dataset.classes),
        "domains": _count(domains, dataset.domain_names or ()),
        "skipped": dataset.skipped,
        "notes": list(dataset.notes),
        "fingerprint": dataset.fingerprint(),
    }


def _count(values: dict[str, Tensor], names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Count how often each name's index occurs, by split."""
    counts = {part: torch.bincount(v, minlength=len(names)) for part, v in values.items()}
    return {
        name: {part: int(count[index]) for part, count in counts.items()}
        for index, name in enumerate(names)
    }
