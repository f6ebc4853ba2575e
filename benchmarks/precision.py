"""Whether bfloat16 products train as well as float32 ones, and how much faster, on this machine.

Cells of the image space are trained from scratch at several widths with either precision, one after
the other, so that both see the same machine. It prints the seconds that a training takes of one
core or device, in float32 per bfloat16, and the difference in validation accuracy.

    python -m benchmarks.precision --data mosaic --epochs 12
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import torch

from benchmarks._alone import build_alone, fit_alone, share_right
from benchmarks._show import answer
from moesaic.config import Recipe
from moesaic.data import Dataset, Normaliser, load_dataset
from moesaic.errors import InputError
from moesaic.runs._context import check_device
from moesaic.runs._evidence import mean_interval
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, get_space

PRECISIONS = ("float32", "bfloat16")
FACTORS = (1, 2, 4)
BASE = (8, 16, 32)


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Train every cell at every width with both precisions.

    Raises:
        InputError: the data are bad, or a number is out of range.
    """
    if words.cells < 2 or words.epochs < 1:
        raise InputError(f"--cells is {words.cells}, --epochs {words.epochs}: give 2 and 1 or more")
    torch.set_num_threads(1)
    check_device(words.device)
    dataset = load_dataset(words.data, image_size=words.image_size, seed=words.seed)
    if not dataset.is_images:
        raise InputError(f"{words.data} holds no images: cells need some")
    normaliser = Normaliser.fit(dataset.train)
    rows = []
    for factor in FACTORS:
        space = get_space("nasbench201", widths=tuple(factor * width for width in BASE))
        cells = [space.sample(generator(words.seed, "precision", n)) for n in range(words.cells)]
        pairs = [
            [train(cell, dataset, normaliser, words, place, kind) for kind in PRECISIONS]
            for place, cell in enumerate(cells)
        ]
        taken = np.array([[seconds for seconds, _ in pair] for pair in pairs])
        right = np.array([[accuracy for _, accuracy in pair] for pair in pairs])
        rows.append(
            {
                "widths": [factor * width for width in BASE],
                "speed": mean_interval(taken[:, 0] / taken[:, 1])._asdict(),
                "points": mean_interval(100 * (right[:, 1] - right[:, 0]))._asdict(),
                "accuracy": dict(zip(PRECISIONS, right.mean(axis=0).tolist(), strict=True)),
            }
        )
        print(f"widths {rows[-1]['widths']}", file=sys.stderr, flush=True)
    return {"cells": words.cells, "epochs": words.epochs, "rows": rows}


def train(
    cell: Architecture,
    dataset: Dataset,
    normaliser: Normaliser,
    words: argparse.Namespace,
    place: int,
    precision: str,
) -> tuple[float, float]:
    """Train a cell from scratch; return the seconds and the share of right validation answers."""
    seed = derive_seed(words.seed, "precision/train", place)
    network = build_alone(get_space(cell.space), cell, dataset, seed, words.device)
    recipe = Recipe.model_validate({"epochs": words.epochs, "precision": precision})
    clock = time.monotonic if words.device == "cuda" else time.process_time
    started = clock()
    fit_alone(network, dataset, normaliser, recipe, seed)
    seconds = clock() - started
    return seconds, share_right(network, dataset.validation, normaliser)


def show(found: dict[str, Any]) -> None:
    """Print a table."""
    print(f"{found['cells']} cells a row, {found['epochs']} epochs")
    print("| widths | times as fast (95 %) | accuracy in float32 | bfloat16, points more (95 %) |")
    print("| --- | --- | --- | --- |")
    for row in found["rows"]:
        speed, points = row["speed"], row["points"]
        print(
            f"| {' '.join(map(str, row['widths']))} "
            f"| {speed['mean']:.2f} ({speed['low']:.2f} to {speed['high']:.2f}) "
            f"| {row['accuracy']['float32']:.3f} "
            f"| {points['mean']:+.1f} ({points['low']:+.1f} to {points['high']:+.1f}) |"
        )


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--data", default="mosaic", help="sources joined by +")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--cells", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
