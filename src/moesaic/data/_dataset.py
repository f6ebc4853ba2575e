"""The in-memory data of a run: three splits of images or vectors; it does not read files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """One split, in memory.

    Attributes:
        inputs: uint8 (N, C, H, W) for images, float32 (N, D) for vectors.
        labels: int64 (N,), in 0 .. classes - 1.
        domains: int64 (N,) where the source is known, else None; for the report and the oracle, and
            clusters where a person asks for it (`embedder` given).
    """

    inputs: Tensor
    labels: Tensor
    domains: Tensor | None = None

    def __len__(self) -> int:
        return int(self.labels.shape[0])

    def take(self, index: Tensor) -> Split:
        """Return the samples at `index`, int64 (n,) or bool (N,)."""
        domains = None if self.domains is None else self.domains[index]
        return Split(self.inputs[index], self.labels[index], domains)


@dataclass(frozen=True)
class Dataset:
    """Train, validation and test splits with the names of their classes.

    The search sees `train` and `validation` only; `test` is read once, by the final measurement.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    domain_names: tuple[str, ...] | None = None
    skipped: int = 0
    notes: tuple[str, ...] = ()

    @property
    def is_images(self) -> bool:
        """Whether the inputs are images (N, C, H, W) and not vectors (N, D)."""
        return self.train.inputs.dim() == 4

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) for images, (D,) for vectors."""
        return tuple(self.train.inputs.shape[1:])

    def fingerprint(self) -> str:
        """Return 16 hex digits that change when any split does."""
        digest = hashlib.blake2b(digest_size=8)
        for split in (self.train, self.validation, self.test):
            for tensor in (split.inputs, split.labels):
                digest.update(str(tuple(tensor.shape)).encode())
                digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()
