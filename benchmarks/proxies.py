"""What zero-cost proxies add to a surrogate of few cells, on a table of cells and real images.

Cells drawn from the table are built and measured untrained on one batch of every cluster's own
data. Kendall's tau is taken on the cells that were not learned from, with and without the proxies
among the surrogate's inputs; either way it reads all features of the space, cost included.

    python -m benchmarks.proxies --table cells.csv.gz --clusters cifar10-val --data cifar10.npz
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks._nasbench_table import SPACE, read_tables
from benchmarks._nasbench_tau import as_observations, mean_tau
from benchmarks._show import answer, show_kendall
from moesaic.data import Normaliser, load_dataset
from moesaic.errors import InputError
from moesaic.runs._evidence import mean_interval
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, get_space
from moesaic.surrogate import get_surrogate
from moesaic.training import PROXIES, check_proxies, measure_proxies

Floats = NDArray[np.float64]
SIZES = (25, 50, 100, 200)
LEAST_UNSEEN = 50


class Measured:
    """Remembers what was measured; to be given to `surrogate.inform`."""

    def __init__(self, cells: Sequence[Architecture], values: Floats) -> None:
        """Args: cells: n of them; values: (n, M, P)."""
        self._known = {one.key: row.ravel() for one, row in zip(cells, values, strict=True)}

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        """Return (n, M * P)."""
        return np.stack([self._known[one.key] for one in architectures])


def batches(
    data: Sequence[str], size: int, batch: int, seed: int
) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], int]:
    """Return one normalised batch of training samples a cluster, and the most classes of any."""
    found, classes = [], 0
    for place, source in enumerate(data):
        dataset = load_dataset(source, image_size=size, seed=seed)
        rng = generator(seed, "proxies/batch", place)
        rows = torch.from_numpy(np.sort(rng.permutation(len(dataset.train))[:batch]))
        normaliser = Normaliser.fit(dataset.train)
        found.append((normaliser(dataset.train.inputs[rows]), dataset.train.labels[rows]))
        classes = max(classes, len(dataset.classes))
    return found, classes


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Measure the proxies once, then learn from draws of the cells.

    Raises:
        InputError: the table, the data or a name is bad, or too few cells are asked for.
    """
    clusters, data = words.clusters.split(","), words.data.split(",")
    names = list(PROXIES) if words.proxies == "all" else words.proxies.split(",")
    check_proxies(names)
    if len(data) not in (1, len(clusters)):
        raise InputError(f"--data names {len(data)} sets for {len(clusters)} clusters: one each")
    if words.draws < 2 or words.cells < SIZES[0] + LEAST_UNSEEN:
        raise InputError(
            f"--draws is {words.draws}, --cells {words.cells}: give 2 and "
            f"{SIZES[0] + LEAST_UNSEEN} or more"
        )
    torch.set_num_threads(1)
    table = read_tables([words.table], clusters, clusters).distinct()
    kept = generator(words.seed, "proxies/cells").permutation(len(table.architectures))
    kept = kept[: words.cells]
    cells, loss = [table.architectures[row] for row in kept], table.loss[kept]
    given, classes = batches(data, words.image_size, words.batch, words.seed)
    values = measure_proxies(get_space(SPACE), cells, given, classes, names, words.seed)
    extra = Measured(cells, values)
    told: dict[str, Any] = {
        "cells": len(cells),
        "alone": {name: _alone(values[:, :, place], loss) for place, name in enumerate(names)},
        "kendall": {},
    }
    for size in (size for size in SIZES if len(cells) >= size + LEAST_UNSEEN):
        rows = [_draw(cells, loss, extra, size, words.seed, draw) for draw in range(words.draws)]
        without, informed = np.asarray(rows).T
        kinds = {"without": without, "with": informed, "gain": informed - without}
        told["kendall"][str(size)] = {
            kind: mean_interval(numbers)._asdict() for kind, numbers in kinds.items()
        }
        print(f"{size} cells: {told['kendall'][str(size)]}", file=sys.stderr, flush=True)
    return told


def _draw(
    cells: Sequence[Architecture], loss: Floats, extra: Measured, size: int, seed: int, draw: int
) -> tuple[float, float]:
    """Return tau on the cells not drawn, without the proxies and with them."""
    order = generator(seed, f"proxies/learn-{size}", draw).permutation(len(cells))
    unseen = [cells[row] for row in order[size:]]
    taus = []
    for informed in (False, True):
        surrogate = get_surrogate("blend", get_space(SPACE), derive_seed(seed, "proxies", draw))
        if informed:
            surrogate.inform(extra)
        surrogate.fit(as_observations(cells, loss, order[:size]))
        taus.append(mean_tau(surrogate.predict(unseen)[0], loss[order[size:]]))
    return taus[0], taus[1]


def _alone(values: Floats, loss: Floats) -> float:
    """Return tau of a proxy by itself and what is gained, mean over clusters."""
    taus = [
        kendalltau(np.nan_to_num(values[:, cluster], nan=-1e9), -loss[:, place]).statistic
        for place in range(loss.shape[1])
        for cluster in (min(place, values.shape[1] - 1),)
    ]
    return float(np.mean(taus))


def show(found: dict[str, Any]) -> None:
    """Print what `run` returned."""
    print(f"{found['cells']} cells, measured untrained")
    for name, tau in found["alone"].items():
        print(f"Kendall's tau of {name:20} by itself {tau:+.3f}")
    show_kendall(found["kendall"])


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--table", required=True, help="CSV, .gz or not, with arch and cellstr")
    add("--clusters", required=True, help="columns of the table, joined by commas")
    add("--data", required=True, help="data of every cluster, joined by commas, or one for all")
    add("--proxies", default="all", help="all, or some of " + ", ".join(PROXIES))
    add("--cells", type=int, default=500, help="cells that are measured")
    add("--image-size", type=int, default=32)
    add("--batch", type=int, default=32, help="images of each cluster")
    add("--draws", type=int, default=20, help="draws of the cells that are learned from")
    add("--seed", type=int, default=0)
    add("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
