"""Trains mixtures across the whole range of the bank's scores, and asks what the scores knew.

    python -m benchmarks.ranking --data cifar10_10k.npz --image-size 16 --out runs/ranking

Every family is trained alone, once; all mixtures are scored by the stored predictions; mixtures
drawn from every stratum of the ranking, and the first ones of three planners, are trained jointly
with several seeds. Interrupted, the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

import moesaic
from benchmarks._ranking import Families, Joint, at_cost, curve, difference, draw_figure
from benchmarks._ranking import judge_scores as judge
from benchmarks._show import PlainWatcher, answer
from moesaic.bank import read_predictions
from moesaic.config import merge_settings, parse_assignments
from moesaic.data import open_dataset
from moesaic.runs._members import as_table, read_members
from moesaic.runs._plan import trial_to_dict
from moesaic.runs._work import run_test
from moesaic.runs.campaign import train_short_list
from moesaic.seeds import generator
from moesaic.selection import Members, score_subsets
from moesaic.strategies.planners import get_planner

POOL = (
    "AirNet,AirNext,AlexNet,DarkNet,EfficientNet,MobileNetV2,MobileNetV3,RegNet,ResNet,"
    "ShuffleNet,SqueezeNet-1,VGG"
)
SUMMED = ("oracle", "cluster", "ensemble", "mean")


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Train what is missing and conclude."""
    if words.seeds < 2:
        raise moesaic.errors.InputError("--seeds 1 cannot tell how runs agree: give 2 or more")
    begun = time.monotonic()
    folder = train_families(words, words.out)
    scores = score_all(folder, words.experts)
    ranked = sorted(scores["oracle"], key=lambda row: (-scores["oracle"][row], row))
    pool = sorted({name for row in ranked for name in row})
    first = {
        name: get_planner(name, pool, words.experts, words.seed).plan(words.top)
        for name in ("stratified", "random")
    }
    first["ranked"] = ranked[: words.top]
    drawn = across(ranked, words.mixtures, [*first["random"], *first["stratified"]], words.seed)
    wanted = list(dict.fromkeys([*drawn, *(row for plan in first.values() for row in plan)]))
    trained = train_all(folder, wanted, words.seeds)
    drawn = [row for row in drawn if row in trained]
    scores["gate"] = {row: gate_score(folder, row) for row in drawn}
    told = judge(scores, {row: trained[row] for row in drawn}, words.seed)
    alone = sum(float(o.extra["passes"]) for o in singles_of(folder))
    plans = {name: [row for row in plan if row in trained] for name, plan in first.items()}
    curves = {
        name: curve(plan, trained, alone if name == "ranked" else 0.0, name == "random")
        for name, plan in plans.items()
    }
    equal = min(curves["random"]["passes"][-1], curves["stratified"]["passes"][-1])
    if words.figure:
        draw_figure(curves, words.figure)
    means = {name: [float(trained[r].test.mean()) for r in plan] for name, plan in plans.items()}
    return {
        "run": str(folder),
        "pool": pool,
        "space": len(ranked),
        **told,
        "top_minus_random": difference(means["ranked"], means["random"]),
        "top": means["ranked"],
        "random": means["random"],
        "curves": curves,
        "equal_cost": {
            "passes": equal,
            **{name: at_cost(line, equal) for name, line in curves.items()},
        },
        "trained": [
            {
                "families": list(row),
                "oracle": scores["oracle"][row],
                "validation": one.validation.tolist(),
                "test": one.test.tolist(),
            }
            for row, one in trained.items()
        ],
        "not_trained": [list(row) for row in wanted if row not in trained],
        "seconds": time.monotonic() - begun,
    }


def train_families(words: argparse.Namespace, place: Path) -> Path:
    """Begin the campaign that trains every family alone, or go on with it."""
    if (place / "config.yaml").exists():
        return moesaic.resume(place, watcher=PlainWatcher()).folder
    settings = {
        "data": cut(words, place) if words.samples else words.data,
        "image_size": words.image_size,
        "pool": words.pool,
        "experts": words.experts,
        "planner": "ranked",
        "candidates": 1,
        "epochs": words.epochs,
        "preset": words.preset,
        "workers": words.workers,
        "seed": words.seed,
    }
    settings = merge_settings(settings, parse_assignments(words.set))
    return moesaic.campaign(out=place, watcher=PlainWatcher(), **settings).folder


def cut(words: argparse.Namespace, place: Path) -> str:
    """Write a part of the training images beside the run; the test images stay as they are."""
    with np.load(words.data, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    rng = generator(words.seed, "benchmark/samples")
    kept = np.sort(rng.permutation(len(arrays["train_labels"]))[: words.samples])
    for name in ("train_images", "train_labels"):
        arrays[name] = arrays[name][kept]
    path = place.with_name(f"{place.name}-data.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return str(path)


def score_all(folder: Path, experts: int) -> dict[str, dict[Families, float]]:
    """Return every score of every mixture, the higher the better."""
    members, table = bank_of(folder)
    names = [member.group for member in members]
    found = {}
    for score in SUMMED:
        listed = score_subsets(table, experts, score=score, top=comb(len(members), experts))
        sign = 1.0 if listed.higher_is_better else -1.0
        found[score] = {
            tuple(sorted(names[row] for row in one.members)): sign * one.raw for one in listed.best
        }
    best = {name: float(member.right.mean()) for name, member in zip(names, members, strict=True)}
    found["best member"] = {
        row: max(best[name] for name in row) for row in combinations(sorted(names), experts)
    }
    return found


def gate_score(folder: Path, families: Families) -> float:
    """Return minus the held-out loss of a gate over these families."""
    members, table = bank_of(folder)
    rows = [row for row, member in enumerate(members) if member.group in families]
    own = Members(np.asarray(table.loss)[rows], embedding=table.embedding)
    return -score_subsets(own, len(rows), score="gate").best[0].raw


def bank_of(folder: Path) -> tuple[list[Any], Members]:
    """Return the families that were trained alone and their table."""
    opened = moesaic.open_run(folder)
    with opened.bank() as bank:
        members = read_members(opened.folder, opened.config, bank)
    return members, as_table(opened.folder, members)


def singles_of(folder: Path) -> list[Any]:
    """Return the observations of the families alone."""
    with moesaic.open_run(folder).bank() as bank:
        return bank.observations(stage="singles")


def across(
    ranked: Sequence[Families], count: int, known: Sequence[Families], seed: int
) -> list[Families]:
    """Return one mixture of each of `count` equal strata of the ranking.

    Where a stratum holds one that a random or stratified plan trains anyway, it is taken: those
    plans know no scores, so it is as good as a random one of its stratum.
    """
    rng = generator(seed, "benchmark/strata")
    found = []
    for stratum in np.array_split(np.arange(len(ranked)), min(count, len(ranked))):
        rows = [ranked[place] for place in stratum]
        trained = [row for row in rows if row in known]
        found.append((trained or rows)[int(rng.integers(len(trained or rows)))])
    return found


def train_all(folder: Path, wanted: Sequence[Families], seeds: int) -> dict[Families, Joint]:
    """Train the mixtures with every seed; those that failed with one of them are left out."""
    runs = []
    for repeat in range(seeds):
        stage, again = f"benchmark-{repeat}", "the same command"
        found = train_short_list(folder, wanted, again=again, stage=stage, watcher=PlainWatcher())
        runs.append({one.families: one.observation for one in found})
    with moesaic.open_run(folder).bank() as bank:
        shares = np.asarray(bank.meta("validation_shares"))
    trained = {}
    for row in wanted:
        seen = [one[row] for one in runs]
        if all(one is not None for one in seen):
            trained[row] = Joint(
                validation=np.array([np.nan_to_num(one.accuracy) @ shares for one in seen]),
                test=np.array([test_accuracy(folder, one.trial) for one in seen]),
                passes=float(seen[0].extra["passes"]),
            )
    return trained


def test_accuracy(folder: Path, trial: Any) -> float:
    """Return the accuracy on the test split, measured once and kept."""
    path = folder / "predictions" / f"{trial.key}-test.npy"
    if not path.exists():
        run_test(str(folder), trial_to_dict(trial))
    labels = open_dataset(folder / "data", test=True).test.labels.numpy()
    return float((read_predictions(path).argmax(axis=1) == labels).mean())


def show(found: dict[str, Any]) -> None:
    """Print what `run` returned."""
    print(
        f"{found['space']:,} mixtures scored, {found['mixtures']} across the range trained with "
        f"{len(found['trained'][0]['test'])} seeds; {found['seconds']:.0f} s"
    )
    print("Spearman with the joint test accuracy; ahead: of training again, 95 % interval")
    print(f"{'score':14}{'each run':>22}{'their mean':>12}{'validation':>12}  ahead")
    for name, row in found["scores"].items():
        each = " ".join(f"{value:+.2f}" for value in row["each"])
        print(
            f"{name:14}{each:>22}{row['mean']:12.2f}{row['validation']:12.2f}  "
            f"{row['ahead_of_training_again']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
        )
    print(f"{'training again':14}{found['again']:22.2f}")
    gain = found["top_minus_random"]
    print(
        f"best {len(found['top'])} by oracle against {len(found['random'])} random ones, trained "
        f"jointly: {100 * gain['mean']:+.1f} points ({100 * gain['low']:+.1f} to "
        f"{100 * gain['high']:+.1f})"
    )
    equal = found["equal_cost"]
    told = ", ".join(
        f"{name} {'-' if equal[name] is None else f'{100 * equal[name]:.1f} %'}"
        for name in ("ranked", "stratified", "random")
    )
    print(f"best found for {equal['passes']:.0f} epochs of one network: {told}")


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="an .npz file, or sources joined by +")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--samples", type=int, default=None, help="training images of the .npz")
    parser.add_argument("--pool", default=POOL)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--mixtures", type=int, default=30, help="drawn across the range")
    parser.add_argument("--top", type=int, default=10, help="first ones of every planner")
    parser.add_argument("--seeds", type=int, default=2, help="joint trainings of each mixture")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--preset", default="moe4")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="the run, new or begun")
    parser.add_argument("--figure", type=Path, default=None, help="accuracy against cost")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
