"""Asks whether the validation split that is drawn tells the truth about images not seen.

    python -m benchmarks.leak --data gtsrb_10k.npz --near-duplicates 0.85

Frames of one video look alike. Where some of them are trained on and others validate, validation
tells how well a network remembers, and large networks remember best. For every seed, a split drawn
image by image and one that divides no group of near-duplicates (`moesaic.data.near_duplicates`) are
drawn from the same training images; on each, networks of several widths are trained with the same
recipe. What validation says is compared with the test split that the file brings, which no choice
is made by.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._again import cut
from benchmarks._alone import build_alone, fit_alone, share_right
from benchmarks._show import answer
from moesaic.config import Recipe, parse_assignments
from moesaic.data import Dataset, Normaliser, load_dataset
from moesaic.seeds import derive_seed
from moesaic.spaces._cells import nasbench201

CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
KINDS = ("images", "groups")


def measure(dataset: Dataset, factor: float, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Train one network and return its cost and its accuracy on validation and on test."""
    widths = tuple(max(1, round(factor * channels)) for channels in (8, 16, 32))
    space = nasbench201(widths)
    cell = space.at_stride(space.parse(CELL), 2)
    drawn = derive_seed(seed, "benchmark/leak", 0)
    network = build_alone(space, cell, dataset, drawn)
    normaliser = Normaliser.fit(dataset.train)
    fit_alone(network, dataset, normaliser, recipe, drawn)
    return {
        "macs": space.estimate_macs(cell, dataset.input_shape, len(dataset.classes)),
        "validation": share_right(network, dataset.validation, normaliser),
        "test": share_right(network, dataset.test, normaliser),
    }


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Train every width on both kinds of split, for every seed."""
    begun = time.monotonic()
    torch.set_num_threads(1)
    settings = parse_assignments(words.set).get("recipe", {})
    recipe = Recipe.model_validate({"epochs": words.epochs, **settings})
    rows = []
    for seed in words.seeds:
        for kind, alike in zip(KINDS, ([], [words.near_duplicates]), strict=True):
            part = cut(words.data, words.samples, seed, words.out, alike)
            dataset = load_dataset(part, image_size=words.image_size, seed=seed)
            for factor in words.widths:
                row = measure(dataset, factor, recipe, seed)
                rows.append({"seed": seed, "split": kind, "width": factor, **row})
    return {"data": words.data, "rows": rows, **conclude(rows), "seconds": time.monotonic() - begun}


def conclude(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, for each kind of split, means over the seeds by width and what validation flatters.

    `flattery` is validation less test, mean over widths and seeds, and `flattery_by_seed` that of
    each seed; `gain` what the largest network
    is better than the smallest, on validation and on test.
    """
    found: dict[str, Any] = {}
    for kind in KINDS:
        widths = sorted({row["width"] for row in rows})
        means = {
            part: [
                float(np.mean([r[part] for r in rows if (r["split"], r["width"]) == (kind, width)]))
                for width in widths
            ]
            for part in ("macs", "validation", "test")
        }
        found[kind] = {
            "widths": widths,
            **means,
            "flattery": float(np.mean(np.subtract(means["validation"], means["test"]))),
            "flattery_by_seed": [
                float(
                    np.mean(
                        [
                            row["validation"] - row["test"]
                            for row in rows
                            if (row["split"], row["seed"]) == (kind, seed)
                        ]
                    )
                )
                for seed in dict.fromkeys(row["seed"] for row in rows)
            ],
            "gain": {part: means[part][-1] - means[part][0] for part in ("validation", "test")},
        }
    return {"splits": found}


def show(found: dict[str, Any]) -> None:
    """Print a table by kind of split and width."""
    print(f"{'split by':10}{'width':>7}{'MACs':>12}{'validation':>12}{'test':>8}")
    for kind, told in found["splits"].items():
        columns = zip(*(told[n] for n in ("widths", "macs", "validation", "test")), strict=True)
        for width, macs, validation, test in columns:
            print(f"{kind:10}{width:7g}{macs:12,.0f}{validation:12.3f}{test:8.3f}")
        gain = told["gain"]
        each = " ".join(f"{100 * value:.1f}" for value in told["flattery_by_seed"])
        print(
            f"{kind:10}validation flatters by {100 * told['flattery']:.1f} points (seeds {each}); "
            f"largest over smallest: {100 * gain['validation']:+.1f} on validation, "
            f"{100 * gain['test']:+.1f} on test"
        )
    print(f"{found['seconds']:.0f} s")


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="an .npz with a test split")
    parser.add_argument("--near-duplicates", type=float, default=0.85, metavar="SIMILARITY")
    parser.add_argument("--samples", type=int, help="training images; all when not given")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--widths", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--set", action="append", default=[], metavar="recipe.NAME=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="where the cut data are written")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
