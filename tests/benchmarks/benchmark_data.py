"""Tiny .npz files for the tests of benchmarks: dark and light images."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write(path: Path, level: int, samples: int = 120) -> str:
    rng = np.random.default_rng(level)
    labels = np.arange(samples) % 2
    images = rng.integers(0, 40, (samples, 8, 8)) + level + 60 * labels[:, None, None]
    part = samples * 3 // 4
    np.savez(
        path,
        train_images=images[:part].astype(np.uint8),
        train_labels=labels[:part],
        test_images=images[part:].astype(np.uint8),
        test_labels=labels[part:],
        classes=np.array(["dark", "light"]),
    )
    return str(path)
