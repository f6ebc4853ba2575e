"""Asks what a network gains by being wide at half the resolution, at the same cost.

    python -m benchmarks.resolution --data cifar10_10k.npz fashion_mnist_10k.npz --image-size 32

A stem of stride s costs 1 / s^2, so that a network of the same cost is about s times as wide. Cells
are drawn from NAS-Bench-201; each is trained behind a stem of every stride, its widths matched to
one number of multiply-accumulates. Compared are the accuracies on the validation split, which no
choice is made by here, paired by cell and seed, and the seconds of training.
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
from moesaic.runs._evidence import mean_interval
from moesaic.runs._variants import matched
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture
from moesaic.spaces._cells import CellSpace, nasbench201


def measure(
    dataset: Dataset, space: CellSpace, architecture: Architecture, recipe: Recipe, seed: int
) -> dict[str, Any]:
    """Train one network; return its cost, its accuracy on validation and the seconds it took."""
    network = build_alone(space, architecture, dataset, seed)
    normaliser = Normaliser.fit(dataset.train)
    begun = time.process_time()
    fit_alone(network, dataset, normaliser, recipe, seed)
    seconds = time.process_time() - begun
    return {
        "macs": space.estimate_macs(architecture, dataset.input_shape, len(dataset.classes)),
        "widths": space.widths(architecture),
        "validation": share_right(network, dataset.validation, normaliser),
        "seconds": seconds,
    }


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Train every cell at every stride on every data set, for every seed."""
    begun = time.monotonic()
    torch.set_num_threads(1)
    settings = parse_assignments(words.set).get("recipe", {})
    recipe = Recipe.model_validate({"epochs": words.epochs, **settings})
    space, rows = nasbench201(), []
    for data in words.data:
        for seed in words.seeds:
            part = cut(data, words.samples, seed, words.out)
            dataset = load_dataset(part, image_size=words.image_size, seed=seed)
            shape, classes = dataset.input_shape, len(dataset.classes)
            for place in range(words.cells):
                cell = space.sample(generator(seed, "benchmark/resolution", place))
                drawn = derive_seed(seed, "benchmark/resolution/training", place)
                for stride in words.strides:
                    sized = space.at_stride(cell, stride)
                    sized = matched(space, sized, round(words.macs), shape, classes)
                    row = measure(dataset, space, sized, recipe, drawn)
                    where = {"data": Path(data).stem, "seed": seed, "cell": cell.text}
                    rows.append({**where, "stride": stride, **row})
    return {"rows": rows, "data": conclude(rows), "seconds": time.monotonic() - begun}


def conclude(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for every data set and stride the means, and the gain over the first stride.

    `gain` is the mean difference of accuracy of the same cells and seeds, with the 95 % interval of
    Student's t over them; `time` the ratio of the seconds.
    """
    found = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        first: list[dict[str, Any]] = []
        for stride in dict.fromkeys(row["stride"] for row in own):
            these = [row for row in own if row["stride"] == stride]
            first = first or these
            pairs = list(zip(these, first, strict=True))
            difference = [one["validation"] - other["validation"] for one, other in pairs]
            gain = mean_interval(np.asarray(difference))
            took, before = (sum(row["seconds"] for row in part) for part in (these, first))
            found.append(
                {
                    "data": data,
                    "stride": stride,
                    "pairs": len(pairs),
                    "validation": float(np.mean([row["validation"] for row in these])),
                    "macs": float(np.mean([row["macs"] for row in these])),
                    "gain": gain._asdict(),
                    "time": took / before,
                }
            )
    return found


def show(found: dict[str, Any]) -> None:
    """Print one row for every data set and stride."""
    print(f"{'data':20}{'stride':>7}{'MACs':>12}{'validation':>12}  gain, points{'':16}time")
    for told in found["data"]:
        low, mean, high = (100 * told["gain"][name] for name in ("low", "mean", "high"))
        print(
            f"{told['data']:20}{told['stride']:7}{told['macs']:12,.0f}{told['validation']:12.3f}  "
            f"{f'{mean:+.1f} ({low:+.1f} to {high:+.1f})':28}{told['time']:.2f}"
        )
    print(f"{found['seconds']:.0f} s")


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, nargs="+", help=".npz files, each for itself")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--samples", type=int, default=5000, help="training images of each")
    parser.add_argument("--macs", type=float, default=2e6)
    parser.add_argument("--strides", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cells", type=int, default=4, help="drawn for every seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--set", action="append", default=[], metavar="recipe.NAME=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="where the cut data are written")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
