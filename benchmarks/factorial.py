"""What is worth what: the routing, the architectures, the gate. Three by three by three mixtures.

    python -m benchmarks.factorial --data cifar10_10k.npz+gtsrb_10k.npz --out runs/factorial

For every seed one search finds clusters and K experts; then every combination is trained from
scratch, with the same recipe and epochs and experts of the same cost:

- routing: `random` (clusters dealt out at random), `found` (the search's), `oracle` (every cluster
  to the expert of the domain that most of it comes from);
- architectures: `same` (K copies of the best single one), `searched`, `shuffled` (the searched
  ones, each moved on to the next expert's clusters);
- gate: `cluster` (no gate network: the nearest centroid of the structure's embedding, whose cost is
  counted), `learned` (by the task's loss alone: for half of the epochs each expert learns its
  clusters, then all experts run on everything under the gate's weights), `taught` (ours).

`accuracy` runs one expert a sample; `all` runs every expert under the gate's weights, as the
learned gate was trained. Effects are differences to the first level of a factor, averaged over the
other two factors, with 95 % intervals over the seeds. Interrupted, the same command goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._again import cut, design_of, search_or_resume, with_session
from benchmarks._factorial import FOLDER, assign_clusters, train_cell
from benchmarks._show import answer
from moesaic.bank import read_predictions
from moesaic.config import merge_settings, parse_assignments
from moesaic.data import open_dataset
from moesaic.errors import InputError
from moesaic.runs._context import load_partition
from moesaic.runs._evidence import mean_interval, paired_interval
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import Design
from moesaic.seeds import derive_seed, generator
from moesaic.structure import Partition

FACTORS = {
    "routing": ("random", "found", "oracle"),
    "architectures": ("same", "searched", "shuffled"),
    "gate": ("cluster", "learned", "taught"),
}
OURS = ("found", "searched", "taught")
Cell = tuple[str, str, str]
CELLS: list[Cell] = list(product(*FACTORS.values()))


def run_seed(words: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Search with one seed and train the cells that are missing."""
    place = words.out / f"seed-{seed}"
    settings = {
        "data": cut(words.data, words.samples, seed, words.out / "data"),
        "image_size": words.image_size,
        "experts": words.experts,
        "clusters": words.clusters,
        "trials": words.trials,
        "rungs": words.rungs,
        "epochs": words.epochs,
        "baselines": False,
        "workers": words.workers,
        "seed": seed,
    }
    result = search_or_resume(place, merge_settings(settings, parse_assignments(words.set))).result

    def work(session: SearchSession) -> dict[str, Any]:
        return train_cells(session, design_of(session, result))

    cells = with_session(place, work)
    return {
        "seed": seed,
        "run": str(place),
        "different": result["selection"]["different"],
        "agreement": result["routing"]["agreement_domains"],
        "cells": cells,
    }


def train_cells(session: SearchSession, design: Design) -> dict[str, Any]:
    """Train every cell that has no answer yet; return all answers by name."""
    place, path = session.folder.path / FOLDER, str(session.folder.path)
    known = session.bank.meta(FOLDER)
    if known is None:
        words = [{"path": path, "epochs": session.config.rungs[-1]}]
        known = session.call("nearest centroids", assign_clusters, words)[0]
        session.bank.set_meta(FOLDER, known)
    routings = routings_of(design, load_partition(path), session)
    experts = {
        "same": (design.copy,) * design.count,
        "searched": design.experts,
        "shuffled": (*design.experts[1:], design.experts[0]),
    }
    planned = []
    for routing, architectures, gate in CELLS:
        name = f"{routing}-{architectures}-{gate}"
        if not (place / f"{name}.json").exists():
            cell = {
                "name": name,
                "experts": [expert.to_dict() for expert in experts[architectures]],
                "routing": routings[routing],
                "gate": gate,
                "seed": derive_seed(session.config.seed, "factorial"),
                "recipe": design.recipe.to_dict(),
                "taught": session.config.taught.to_dict(),
                "embedder_macs": known["macs"],
            }
            planned.append({"path": path, "cell": cell})
    if planned:
        session.call("cells", train_cell, planned)
    names = ["-".join(cell) for cell in CELLS]
    told = {name: json.loads((place / f"{name}.json").read_text()) for name in names}
    return {"centroids": known, "routings": routings, "answers": told}


def routings_of(
    design: Design, partition: Partition, session: SearchSession
) -> dict[str, list[int]]:
    """Return the expert of every cluster, (M,), under each routing."""
    found, count = list(design.routing), design.count
    domains = open_dataset(session.folder.data).train.domains
    if domains is None:
        raise InputError("the oracle needs domains: join two sources with +")
    table = np.zeros((partition.count, int(domains.max()) + 1), np.int64)
    np.add.at(table, (partition.train, domains.numpy()), 1)
    # the searched experts stay with the domain that most of their clusters come from
    best = max(
        permutations(range(max(count, table.shape[1]))),
        key=lambda order: sum(
            int(table[m, d]) for m, k in enumerate(found) for d in range(table.shape[1])
            if order[d] % count == k
        ),
    )  # fmt: skip
    oracle = [best[int(d)] % count for d in table.argmax(axis=1)]
    rng = generator(session.config.seed, "factorial/routing")
    dealt = rng.permutation(np.arange(partition.count) % count)
    return {"random": [int(k) for k in dealt], "found": found, "oracle": oracle}


def conclude(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the table of cells, main effects and what each choice of ours is worth by itself."""
    score = {
        cell: np.array([one["cells"]["answers"]["-".join(cell)]["accuracy"] for one in seeds])
        for cell in CELLS
    }
    everyone = {
        cell: [one["cells"]["answers"]["-".join(cell)]["accuracy_all"] for one in seeds]
        for cell in CELLS
    }
    table = [
        {
            **dict(zip(FACTORS, cell, strict=True)),
            "accuracy": mean_interval(score[cell])._asdict(),
            "accuracies": score[cell].tolist(),
            "all": None if None in everyone[cell] else float(np.mean(everyone[cell])),
            "macs": float(
                np.mean([one["cells"]["answers"]["-".join(cell)]["macs"] for one in seeds])
            ),
            "passes": seeds[0]["cells"]["answers"]["-".join(cell)]["passes"],
        }
        for cell in CELLS
    ]
    return {
        "table": table,
        "effects": {name: _effects(score, place) for place, name in enumerate(FACTORS)},
        "alone": _alone(seeds),
    }


def _effects(score: dict[Cell, np.ndarray], place: int) -> dict[str, Any]:
    """Return each level's mean over the other factors less that of the first, over seeds."""
    levels = list(FACTORS.values())[place]
    mean = {
        level: np.mean([score[cell] for cell in CELLS if cell[place] == level], axis=0)
        for level in levels
    }
    return {
        f"{level} - {levels[0]}": mean_interval(mean[level] - mean[levels[0]])._asdict()
        for level in levels[1:]
    }


def _alone(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return our mixture less that with one factor changed, over seeds and test samples."""
    right = {cell: [_right(one, cell) for one in seeds] for cell in CELLS}
    found = {}
    for place, levels in enumerate(FACTORS.values()):
        for level in levels:
            other = (*OURS[:place], level, *OURS[place + 1 :])
            if other != OURS:
                gap = paired_interval(right[OURS], right[other])  # type: ignore[index]
                found[f"{OURS[place]} - {level}"] = gap._asdict()
    return found


def _right(one: dict[str, Any], cell: Cell) -> np.ndarray:
    folder = Path(one["run"])
    labels = open_dataset(folder / "data", test=True).test.labels.numpy()
    told = read_predictions(folder / one["cells"]["answers"]["-".join(cell)]["predictions"])
    return (told.argmax(axis=1) == labels).astype(np.float64)


def show(found: dict[str, Any]) -> None:
    """Print the table and the effects."""
    print(f"{'routing':9}{'architectures':15}{'gate':9}{'test':>8}  {'seeds':24}{'all':>8}  MACs")
    for row in found["table"]:
        seeds = " ".join(f"{value:.4f}" for value in row["accuracies"])
        dense = "" if row["all"] is None else f"{row['all']:.4f}"
        print(
            f"{row['routing']:9}{row['architectures']:15}{row['gate']:9}"
            f"{row['accuracy']['mean']:8.4f}  {seeds:24}{dense:>8}  {row['macs']:,.0f}"
        )
    print("main effects, points, averaged over the other factors:")
    for name, effects in found["effects"].items():
        for words, gap in effects.items():
            print(f"  {name:14} {words:22} {_points(gap)}")
    print("our mixture (found, searched, taught) with one factor changed, points:")
    for words, gap in found["alone"].items():
        print(f"  {words:22} {_points(gap)}")
    print(f"{found['seconds']:.0f} s")


def _points(gap: dict[str, float]) -> str:
    return f"{100 * gap['mean']:+.2f} ({100 * gap['low']:+.2f} to {100 * gap['high']:+.2f})"


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Run every seed and conclude."""
    begun = time.monotonic()
    seeds = [run_seed(words, seed) for seed in words.seeds]
    return {
        "data": words.data,
        "seeds": seeds,
        **conclude(seeds),
        "seconds": time.monotonic() - begun,
    }


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="two .npz files or more, joined by +")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=3000, help="training images of each source")
    parser.add_argument("--epochs", type=int, default=12, help="of every cell")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rungs", type=int, nargs="+", default=[2, 6])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="the runs, new or begun")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
