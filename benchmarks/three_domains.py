"""Finds the number of experts on a mixture of data sets whose number nobody tells it.

Runs `moesaic search --experts auto` on a join of data sets, on a part of each and with small
networks, and compares the number of experts found with the number of data sets. A seed takes one to
two hours of one core.

    python -m benchmarks.three_domains --data A.npz+B.npz+C.npz --seeds 0 1 2 --json

With `--out` an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._again import search_or_resume
from benchmarks._show import answer
from moesaic.config import merge_settings, parse_assignments
from moesaic.errors import InputError

SMALL: dict[str, Any] = {
    "trials": 8,
    "rungs": (3, 9),
    "widths": (8, 16, 32),
    "epochs": 48,
    "baselines": False,
}


def parts(spec: str, samples: int, folder: Path) -> str:
    """Write the first `samples` shuffled training samples of every .npz, half as many for test.

    The draw is fixed: a seed changes the search, not the data.
    """
    found = []
    for place, item in enumerate(spec.split("+")):
        path = Path(item)
        if path.suffix != ".npz" or not path.is_file():
            raise InputError(f"'{item}' is no .npz file: give --samples 0 to use other data whole")
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        for split, most in (("train", samples), ("test", samples // 2)):
            size = len(arrays[f"{split}_labels"])
            rows = np.random.default_rng(place).permutation(size)[:most]
            for name in [name for name in arrays if name.startswith(f"{split}_")]:
                arrays[name] = arrays[name][rows]
        found.append(str(folder / f"{place}-{path.name}"))
        np.savez(found[-1], **arrays)
    return "+".join(found)


def run_seed(settings: dict[str, Any], seed: int, place: Path) -> dict[str, Any]:
    """Search once and return what was found beside what is true."""
    result = search_or_resume(place / f"run-{seed}", {**settings, "seed": seed}).result
    told = result["how_many"]
    return {
        "seed": seed,
        "experts": told["found"],
        "trained": told["experts"],
        "domains": len(result["data"]["domains"]),
        "clusters": result["structure"]["clusters"],
        "purity": result["structure"]["purity_domains"],
        "agreement": result["routing"]["agreement_domains"],
        "accuracy": (result["mixture"] or {}).get("test_accuracy"),
        "single": (result["baselines"].get("single") or {}).get("test_accuracy"),
        "steps": told["steps"],
        "trainings": result["cost"]["trainings"],
        "seconds": result["seconds"],
    }


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Search with every seed."""
    given = {"image_size": words.image_size, "experts": "auto", "workers": words.workers, **SMALL}
    settings = merge_settings(given, parse_assignments(words.set))
    place = words.out or Path(tempfile.mkdtemp(prefix="three-domains-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        data = parts(words.data, words.samples, place) if words.samples else words.data
        seeds = [run_seed({**settings, "data": data}, seed, place) for seed in words.seeds]
    finally:
        if words.out is None:
            shutil.rmtree(place, ignore_errors=True)
    right = sum(one["experts"] == one["domains"] for one in seeds)
    return {"seeds": seeds, "right": right, "of": len(seeds)}


def show(found: dict[str, Any]) -> None:
    """Print one line a seed and one a step."""
    for one in found["seeds"]:
        print(
            f"seed {one['seed']}: {one['experts']} experts for {one['domains']} data sets, "
            f"{one['clusters']} clusters, {100 * one['purity']:.1f} % pure, gate right on "
            f"{100 * one['agreement']:.1f} %, {one['seconds']:.0f} s"
        )
        for step in one["steps"]:
            gain = step["gain"]
            print(
                f"  {step['from']} -> {step['to']}: {gain['mean']:+.3f} "
                f"({gain['low']:+.3f} to {gain['high']:+.3f}) of {step['loss']:.3f}"
                f"{' pays' if step['pays'] else ''}"
            )
    print(f"right number on {found['right']} of {found['of']} seeds")


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help=".npz files joined by +")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--samples", type=int, default=3000, help="of each data set; 0: all")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, default=None, help="keep the runs here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
