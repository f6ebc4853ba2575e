"""Asks what experts of different size save where one half of the data is easy and the other hard.

    python -m benchmarks.easy_hard --data mnist_10k.npz+cifar10_10k.npz --out runs/easy-hard

For every seed a search with a price finds a mixture whose experts have sizes of their own. Beside
it are trained, with the same recipe and epochs and from scratch:

- homogeneous mixtures: K copies of one architecture, all of one size, behind the same taught gate
  with the same routing, at several multiples of the searched mixture's cost. The architecture is
  the best single one, or that of the dearest searched expert: what the search found out about cells
  is then not counted as what sizes save;
- single networks of that architecture at the same multiples;
- mixtures of the sizes that the search trained, chosen at other prices: the front;
- cascades (docs/cascade.md), thresholds chosen on validation at the price of the search: that of
  two mixtures whose sizes were chosen together, as `moesaic cascade` does with one run; that of the
  mixtures chosen at higher prices and the searched one; and, to say what is due to the cascade
  alone, that of the cheapest and the dearest copies of the expert's cell.

Cost is expected multiply-accumulates of a test image: experts weighted by how often the gate really
chooses them, gate counted. Of homogeneous mixtures only those count that no cheaper one is as good
as, whichever their architecture. The one of equal accuracy is that whose mean test accuracy over
the seeds is nearest to the searched one's, within .3 point; beside it the cost is told at which the
accuracies would be equal, interpolated between two trained ones. What a doubling of the copies
gains on each source says what could be saved at most. Interrupted, the same command goes
on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._again import cut, design_of, on_test, right_of, search_or_resume, with_session
from benchmarks._cascades import cascades
from benchmarks._show import answer
from moesaic.bank import Trial
from moesaic.config import merge_settings, parse_assignments
from moesaic.data import open_dataset
from moesaic.errors import InputError
from moesaic.runs._context import load_partition
from moesaic.runs._evidence import paired_interval
from moesaic.runs._price import PER_MAC, mistaken
from moesaic.runs._session import SearchSession
from moesaic.runs._specialise import choose, sizes_stage
from moesaic.runs._stages import Aim, plan_stages
from moesaic.runs._structure import cluster_weight
from moesaic.runs._variants import Design, gate_macs, matched, mixture_trial, single_trial
from moesaic.seeds import derive_seed

TOLERANCE = 0.003
SEARCHED = "searched"
CASCADE, OF_PRICES, OF_COPIES = "cascade", "cascade of prices", "cascade of copies"
PARTS = "cascade, stage {}"
COPIES, SEARCHED_CELL = "homogeneous {:g}", "homogeneous {:g}, expert's cell"


def run_seed(words: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Search with one seed, train the ladder beside it and measure everything on test."""
    place = words.out / f"seed-{seed}"
    parts = (words.out / "data", words.near_duplicates, words.held_out)
    settings = {
        "data": cut(words.data, words.samples, seed, *parts),
        "image_size": words.image_size,
        "experts": words.experts,
        "price": words.price,
        "trials": words.trials,
        "rungs": words.rungs,
        "eta": 2,
        "epochs": words.epochs,
        "baselines": False,
        "workers": words.workers,
        "seed": seed,
    }
    result = search_or_resume(place, merge_settings(settings, parse_assignments(words.set))).result

    def work(session: SearchSession) -> dict[str, Any]:
        design = design_of(session, result)
        trials = {
            **ladder(design, words.ratios),
            **front(session, design, words.factors),
            **together(session, words.price),
        }
        session.perform("ladder", list(trials.values()))
        done = {n: t for n, t in trials.items() if session.bank.status(t.key) == "done"}
        told = on_test(session, list(done.values()))
        found = {
            name: {"key": trial.key, **{p: told[trial.key][p] for p in ("accuracy", "macs")}}
            for name, trial in done.items()
        }
        wanted = {
            # two prices may lead to one choice
            name: list({done[one].key: done[one] for one in stages}.values())
            for name, stages in stages_of(words.ratios, words.factors).items()
            if all(one in done for one in stages)
        }
        found |= cascades(session, wanted, words.price)
        return {
            name: {**row, "sources": by_source(place, row["key"])} for name, row in found.items()
        }

    rows = with_session(place, work)
    agreement = result["routing"]["agreement_domains"]
    return {
        "seed": seed,
        "run": str(place),
        "rows": rows,
        "agreement": agreement,
        "experts": [
            {name: told[name] for name in ("text", "macs", "clusters")}
            for told in result["selection"]["experts"]
        ],
        "bank": result["price"]["equal_accuracy"],
        "seconds": result["seconds"],
    }


def stages_of(ratios: Sequence[float], factors: Sequence[float]) -> dict[str, list[str]]:
    """Return cascade -> the rows it is made of, the cheapest first."""
    dear = sorted((factor for factor in factors if factor > 1), reverse=True)
    found = {CASCADE: [PARTS.format(1), PARTS.format(2)]}
    if dear:
        found[OF_PRICES] = [*(f"{SEARCHED}, price x{factor:g}" for factor in dear), SEARCHED]
    if len(set(ratios)) > 1:
        found[OF_COPIES] = [SEARCHED_CELL.format(ratio) for ratio in (min(ratios), max(ratios))]
    return found


def by_source(place: Path, key: str) -> list[float]:
    """Return the test accuracy on each source of the data, (D,)."""
    domains = open_dataset(place / "data", test=True).test.domains
    if domains is None:
        raise InputError(f"the data of {place} are of one source: join two with +")
    right, source = right_of(place, key), domains.numpy()
    return [float(right[source == each].mean()) for each in range(int(source.max()) + 1)]


def ladder(design: Design, ratios: list[float]) -> dict[str, Trial]:
    """Return the searched mixture, homogeneous ones and single networks by name."""
    seed = derive_seed(design.config.seed, "final", 0)
    shape, classes, space = design.input_shape, design.classes, design.space
    gate = gate_macs(shape, design.count, design.gate_size)
    trials = {SEARCHED: mixture_trial(design, design.experts, design.routing, seed)}
    dearest = max(design.experts, key=lambda one: space.estimate_macs(one, shape, classes) or 0)
    for ratio in ratios:
        cost = round(ratio * design.target)
        for name, cell in ((COPIES, design.single), (SEARCHED_CELL, dearest)):
            copy = matched(space, cell, max(cost - gate, 1), shape, classes)
            copies = (copy,) * design.count
            trials[name.format(ratio)] = mixture_trial(design, copies, design.routing, seed)
        alone = replace(design, single=matched(space, design.single, cost, shape, classes))
        trials[f"single {ratio:g}"] = single_trial(alone, design.recipe.epochs, seed)
    return _staged(trials)


def front(session: SearchSession, design: Design, factors: list[float]) -> dict[str, Trial]:
    """Return mixtures chosen from the sizes that the search trained, at multiples of its price."""
    bank = session.bank.observations(stage=sizes_stage(session.config, design.count))
    weight = cluster_weight(load_partition(str(session.folder.path)))
    seed = derive_seed(design.config.seed, "final", 0)
    trials = {}
    for factor in factors:
        price = factor * PER_MAC * (session.config.price or 0.0)
        choice = choose(mistaken(bank), weight, design.count, price=price)
        experts = [bank[row].trial.architecture for row in choice.chosen]
        routing = np.asarray(choice.routing).argmax(axis=1).tolist()
        known = [expert for expert in experts if expert is not None]
        trials[f"{SEARCHED}, price x{factor:g}"] = mixture_trial(design, known, routing, seed)
    return _staged(trials)


def together(session: SearchSession, price: float) -> dict[str, Trial]:
    """Return the mixtures of a cascade, sizes chosen together; twice the same where one will do."""
    planned = plan_stages(session.folder, session.bank, session.config, Aim(price, None))
    return _staged({PARTS.format(1): planned[0], PARTS.format(2): planned[-1]})


def _staged(trials: dict[str, Trial]) -> dict[str, Trial]:
    return {name: replace(trial, stage=f"ladder {name}") for name, trial in trials.items()}


def conclude(seeds: list[dict[str, Any]], ratios: list[float]) -> dict[str, Any]:
    """Compare the searched mixture with the homogeneous ones over all seeds."""
    names = [name for name in seeds[0]["rows"] if all(name in one["rows"] for one in seeds)]
    table = {
        name: {
            "accuracy": float(np.mean([one["rows"][name]["accuracy"] for one in seeds])),
            "accuracies": [one["rows"][name]["accuracy"] for one in seeds],
            "macs": float(np.mean([one["rows"][name]["macs"] for one in seeds])),
            "all_macs": [one["rows"][name]["macs"] for one in seeds],
            "sources": np.mean([one["rows"][name]["sources"] for one in seeds], axis=0).tolist(),
        }
        for name in names
    }
    right = {
        name: [right_of(Path(one["run"]), one["rows"][name]["key"]) for one in seeds]
        for name in names
    }
    for name in names:
        gap = paired_interval(right[SEARCHED], right[name])
        table[name]["searched_ahead"] = gap._asdict()

    def equal(name: str) -> dict[str, Any]:
        told = equal_accuracy(table, ratios, name)
        rival = told["homogeneous"]
        gap = paired_interval(right[name], right[rival])._asdict() if rival else None
        return {**told, "ahead": gap}

    known = {name: equal(name) for name in (CASCADE, OF_PRICES, OF_COPIES) if name in table}
    told = {"doubling": doubling(table, ratios), "cascades": known}
    return {"table": table, **equal(SEARCHED), **told}


def equal_accuracy(
    table: dict[str, Any], ratios: list[float], which: str = SEARCHED
) -> dict[str, Any]:
    """Return the homogeneous mixture of equal accuracy and the share of its cost that is needed.

    The searched mixture is compared with them where no other row is named. `homogeneous` is the
    trained one nearest in accuracy within .3 point, None where there is none; `share` compares with
    it. One that is dearer and no better than another does not count. `equal_macs` is where the
    accuracies would be equal, linear in the logarithm of MACs between two trained ones; None where
    all of them are above or below.
    """
    ours = table[which]
    known = [name.format(ratio) for ratio in ratios for name in (COPIES, SEARCHED_CELL)]
    every = sorted(
        (table[name]["macs"], -table[name]["accuracy"], name) for name in known if name in table
    )
    rows: list[tuple[float, float, str]] = []
    for cost, minus, name in every:
        if not rows or -minus > rows[-1][1]:
            rows.append((cost, -minus, name))
    near = min(rows, key=lambda row: (abs(row[1] - ours["accuracy"]), row[0]))
    equal = near if abs(near[1] - ours["accuracy"]) <= TOLERANCE else None
    macs = _where(rows, ours["accuracy"])
    return {
        "homogeneous": equal[2] if equal else None,
        "homogeneous_macs": equal[0] if equal else None,
        "macs": ours["macs"],
        "share": ours["macs"] / equal[0] if equal else None,
        "equal_macs": macs,
        "share_interpolated": None if macs is None else ours["macs"] / macs,
        "best_homogeneous_ahead": max(row[1] for row in rows) - ours["accuracy"],
        "tolerance": TOLERANCE,
    }


def doubling(table: dict[str, Any], ratios: list[float]) -> dict[str, Any] | None:
    """Return what a doubling of MACs gains on each source, and what sizes can save by that.

    The gains are those of the copies of the searched cell between the least and the largest ratio;
    None where there is but one.
    """
    rows = [table[name] for name in map(SEARCHED_CELL.format, sorted(ratios)) if name in table]
    if len(rows) < 2 or rows[0]["macs"] >= rows[-1]["macs"]:
        return None
    gain = np.subtract(rows[-1]["sources"], rows[0]["sources"])
    gain = gain / np.log2(rows[-1]["macs"] / rows[0]["macs"])
    return {"gains": gain.tolist(), "least_share": least_share(gain)}


def least_share(gains: Sequence[float]) -> float | None:
    """Return the least share of the compute of equal experts that others as accurate need.

    All sources are of one size, and source i gains `gains[i]` by every doubling of its expert's
    MACs. The mean of the sizes, at no loss of the mean accuracy, is least where an expert's size is
    in proportion to its gain (Lagrange): the share is then the arithmetic mean of the gains over
    their geometric mean, weighted by themselves. A source that gains nothing needs nothing.

    Args:
        gains: of each source, (D,); below 0 counts as 0. None is returned where all are 0.
    """
    kept = np.maximum(np.asarray(gains, np.float64), 0.0)
    if not kept.any():
        return None
    positive = kept[kept > 0]
    inner = float(positive @ np.log(positive) / positive.sum())
    return float(kept.mean() / np.exp(inner))


def _where(rows: list[tuple[float, float, str]], goal: float) -> float | None:
    """Return the MACs at which the accuracies first pass the goal, None where they never do."""
    for (before, below, _), (macs, accuracy, _) in pairwise(rows):
        if below <= goal <= accuracy:
            part = (goal - below) / max(accuracy - below, 1e-12)
            return float(np.exp((1 - part) * np.log(before) + part * np.log(macs)))
    return None


def show(found: dict[str, Any]) -> None:
    """Print the table and the conclusion."""
    head = f"{'variant':32}{'test':>8}  {'seeds':26}{'sources':20}{'MACs':>11}"
    print(f"{head}  searched ahead, points")
    for name, row in sorted(found["table"].items(), key=lambda pair: pair[1]["macs"]):
        seeds = " ".join(f"{value:.4f}" for value in row["accuracies"])
        sources = " ".join(f"{value:.4f}" for value in row["sources"])
        gap = row["searched_ahead"]
        print(
            f"{name:32}{row['accuracy']:8.4f}  {seeds:26}{sources:20}{row['macs']:11,.0f}  "
            f"{100 * gap['mean']:+.2f} ({100 * gap['low']:+.2f} to {100 * gap['high']:+.2f})"
        )
    for name, equal in {SEARCHED: found, **found["cascades"]}.items():
        _show_equal(name, equal)
    if found["doubling"] is not None:
        gains = ", ".join(f"{100 * gain:+.2f}" for gain in found["doubling"]["gains"])
        least = found["doubling"]["least_share"]
        told = "nothing" if least is None else f"{100 * least:.0f} %"
        print(
            f"a doubling gains {gains} points (copies of the expert's cell): if it always did, the "
            f"best sizes would need {told}"
        )
    for one in found["seeds"]:
        sizes = ", ".join(f"{expert['macs']:,}" for expert in one["experts"])
        print(f"seed {one['seed']}: experts of {sizes} MACs, {one['seconds']:.0f} s of search")
    print(f"{found['seconds']:.0f} s")


def _show_equal(name: str, found: dict[str, Any]) -> None:
    """Print which homogeneous mixture is as accurate, and the share of its cost."""
    if found["homogeneous"]:
        gap = ", ".join(f"{100 * found['ahead'][part]:+.2f}" for part in ("mean", "low", "high"))
        print(
            f"{name}: {found['homogeneous']} is within {100 * TOLERANCE:.1f} point (ahead of it by "
            f"{gap}), and {100 * found['share']:.0f} % of its MACs are needed"
        )
    else:
        print(
            f"{name}: no homogeneous mixture is within {100 * TOLERANCE:.1f} point, give --ratios"
        )
    if found["share_interpolated"] is None:
        ahead = 100 * found["best_homogeneous_ahead"]
        print(f"{name}: nowhere equal, the best homogeneous one is {ahead:+.2f} ahead")
    else:
        print(f"{name}: at equal accuracy, interpolated, {100 * found['share_interpolated']:.0f} %")


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Run every seed and conclude."""
    begun = time.monotonic()
    seeds = [run_seed(words, seed) for seed in words.seeds]
    return {
        "data": words.data,
        "price": words.price,
        "seeds": seeds,
        **conclude(seeds, words.ratios),
        "seconds": time.monotonic() - begun,
    }


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="an easy and a hard .npz, joined by +")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=5000, help="training images of each source")
    parser.add_argument(
        "--held-out", type=float, help="share of the samples that validates; a fifth when not given"
    )
    parser.add_argument(
        "--near-duplicates",
        type=float,
        nargs="*",
        default=[],
        metavar="SIMILARITY",
        help="for each source, above which training images stay on one side of the split; 0: none",
    )
    parser.add_argument(
        "--price", type=float, default=1.0, help="points of accuracy per million MACs"
    )
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--rungs", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--epochs", type=int, default=20, help="of the final trainings")
    parser.add_argument(
        "--ratios", type=float, nargs="+", default=[0.6, 1.0, 1.4, 1.8], help="of the rivals' MACs"
    )
    parser.add_argument(
        "--factors", type=float, nargs="*", default=[0.25, 4.0], help="other prices of the front"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="the runs, new or begun")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
