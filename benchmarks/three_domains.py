"""Finds the number of experts on a mixture of data sets whose number nobody tells it.

Runs `moesaic search --experts auto` on a join of data sets, on a part of each and with small
networks, and compares the number of experts found with the number of data sets. A seed takes one to
two hours of one core; `--only-number` leaves out what comes after the number.

    python -m benchmarks.three_domains --data A.npz+B.npz+C.npz --seeds 0 1 2 --json

With `--out` an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._again import search_or_resume
from benchmarks._show import PlainWatcher, answer
from moesaic.config import merge_settings, parse_assignments
from moesaic.data import open_dataset
from moesaic.errors import InputError, Interrupted, RunFailed
from moesaic.runs import open_run
from moesaic.runs._context import load_partition
from moesaic.structure import purity

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


class UntilKnown(PlainWatcher):
    """Stops a search, as Ctrl-C would, once the number of experts is known."""

    def stage(self, title: str, trials: int) -> None:
        """A stage of `trials` trials begins."""
        if title.startswith("specialise"):
            raise KeyboardInterrupt
        super().stage(title, trials)


def run_seed(
    settings: dict[str, Any], seed: int, place: Path, *, only_number: bool
) -> dict[str, Any]:
    """Search once and return what was found beside what is true; both parts are JSON-able.

    Args:
        settings: of the search.
        seed: of the search.
        place: where runs are kept.
        only_number: leave the search once the number is known, without experts and test.
    """
    folder, settings = place / f"run-{seed}", {**settings, "seed": seed}
    if not only_number:
        result = search_or_resume(folder, settings).result
        return describe(folder, seed) | {
            "agreement": result["routing"]["agreement_domains"],
            "accuracy": (result["mixture"] or {}).get("test_accuracy"),
            "single": (result["baselines"].get("single") or {}).get("test_accuracy"),
            "trainings": result["cost"]["trainings"],
            "seconds": result["seconds"],
        }
    with contextlib.suppress(Interrupted):
        search_or_resume(folder, settings, UntilKnown())
    return describe(folder, seed)


def describe(folder: Path, seed: int) -> dict[str, Any]:
    """Return what is known once the number of experts is.

    Raises:
        RunFailed: the number is not known: the search was stopped before.
    """
    run = open_run(folder)
    dataset = open_dataset(run.folder.data)
    clusters = load_partition(str(folder)).train
    with run.bank() as bank:
        told, sources = bank.meta("how_many"), dataset.train.domains
    if told is None:
        raise RunFailed(f"{folder} was stopped before the number was known: run it again")
    if sources is None:
        raise InputError("the data are of one source: join several with +")
    groups = np.asarray(told["groups"])[clusters]
    return {
        "seed": seed,
        "experts": told["found"],
        "trained": told["experts"],
        "domains": len(dataset.domain_names or ()),
        "clusters": int(clusters.max()) + 1,
        "purity": purity(clusters, sources.numpy()),
        "groups": purity(groups, sources.numpy()),
        "steps": told["steps"],
        "ways": {count: len(ways) for count, ways in told["ways"].items()},
    }


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Search with every seed."""
    given = {"image_size": words.image_size, "experts": "auto", "workers": words.workers, **SMALL}
    settings = merge_settings(given, parse_assignments(words.set))
    place = words.out or Path(tempfile.mkdtemp(prefix="three-domains-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        data = parts(words.data, words.samples, place) if words.samples else words.data
        seeds = [
            run_seed({**settings, "data": data}, seed, place, only_number=words.only_number)
            for seed in words.seeds
        ]
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
            f"{one['clusters']} clusters, {100 * one['purity']:.1f} % pure, "
            f"groups {100 * one['groups']:.1f} % pure"
        )
        if "agreement" in one:
            print(f"  gate right on {100 * one['agreement']:.1f} %, {one['seconds']:.0f} s")
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
    parser.add_argument("--only-number", action="store_true", help="stop once it is known")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, default=None, help="keep the runs here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
