"""A tiny two-domain problem and settings that search it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


def two_domains(folder: Path, samples: int = 240) -> str:
    """Write two small image sets, stripes and blobs of two classes each; return the spec."""
    rng = np.random.default_rng(0)
    paths = []
    for domain in range(2):
        labels = np.arange(samples) % 2
        images = rng.normal(40 + 120 * domain, 20, (samples, 8, 8))
        for index, label in enumerate(labels):
            if domain == 0:
                images[index][:, ::2] += 60 * label
            else:
                images[index][2:6, 2:6] += 60 * label
        train = samples * 3 // 4
        path = folder / f"domain{domain}.npz"
        pixels = images.clip(0, 255).astype(np.uint8)
        np.savez(
            path,
            train_images=pixels[:train],
            train_labels=labels[:train],
            test_images=pixels[train:],
            test_labels=labels[train:],
            classes=np.array([f"d{domain}-a", f"d{domain}-b"]),
        )
        paths.append(str(path))
    return "+".join(paths)


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    return two_domains(tmp_path_factory.mktemp("data"))


@pytest.fixture
def settings(spec: str) -> dict[str, Any]:
    return {
        "data": spec,
        "experts": 2,
        "trials": 4,
        "rungs": (1, 2),
        "widths": (4, 6),
        "epochs": 2,
        "executor": "inprocess",
        "seed": 3,
    }
