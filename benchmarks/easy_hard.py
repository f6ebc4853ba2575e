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
gains on each source says what could be saved at most. One training more or less lucky moves a row
by half a point, so `--repeats` trains the mixtures more than once: a seed's accuracy is then the
mean of its trainings, and the share is told with what their luck leaves open. Interrupted, the same
command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._again import cut, design_of, on_test, right_of, search_or_resume, with_session
from benchmarks._cascades import cascades
from benchmarks._equal import (
    CASCADE,
    COPIES,
    OF_COPIES,
    OF_PRICES,
    SEARCHED,
    SEARCHED_CELL,
    conclude,
    show,
)
from benchmarks._show import answer
from moesaic.bank import Trial
from moesaic.config import merge_settings, parse_assignments
from moesaic.data import open_dataset
from moesaic.errors import InputError
from moesaic.runs._context import load_partition
from moesaic.runs._price import PER_MAC, mistaken
from moesaic.runs._session import SearchSession
from moesaic.runs._specialise import choose, sizes_stage
from moesaic.runs._stages import Aim, plan_stages
from moesaic.runs._structure import cluster_weight
from moesaic.runs._variants import Design, gate_macs, matched, mixture_trial, single_trial
from moesaic.seeds import derive_seed

PARTS = "cascade, stage {}"


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
        every = [
            {
                **ladder(design, words.ratios, repeat),
                **together(session, words.price, repeat),
                **({} if repeat else front(session, design, words.factors)),
            }
            for repeat in range(words.repeats)
        ]
        session.perform("ladder", [trial for trials in every for trial in trials.values()])
        rows: dict[str, Any] = {}
        for repeat, trials in enumerate(every):
            for name, row in measured(session, trials, words, repeat).items():
                rows.setdefault(name, []).append(row)
        return rows

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


def measured(
    session: SearchSession, trials: dict[str, Trial], words: argparse.Namespace, repeat: int
) -> dict[str, dict[str, Any]]:
    """Return what one training of every row, and the cascades of them, do on the test split."""
    place = session.folder.path
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
    found |= cascades(session, wanted, words.price, repeat)
    return {name: {**row, "sources": by_source(place, row["key"])} for name, row in found.items()}


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


def ladder(design: Design, ratios: list[float], repeat: int) -> dict[str, Trial]:
    """Return the searched mixture, homogeneous ones and, first of all, single networks by name."""
    seed = derive_seed(design.config.seed, "final", repeat)
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
        if not repeat:
            alone = replace(design, single=matched(space, design.single, cost, shape, classes))
            trials[f"single {ratio:g}"] = single_trial(alone, design.recipe.epochs, seed)
    return _staged(trials, repeat)


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
    return _staged(trials, 0)


def together(session: SearchSession, price: float, repeat: int) -> dict[str, Trial]:
    """Return the mixtures of a cascade, sizes chosen together; twice the same where one will do."""
    seed = derive_seed(session.config.seed, "final", repeat)
    planned = plan_stages(session.folder, session.bank, session.config, Aim(price, None))
    trials = {PARTS.format(1): planned[0], PARTS.format(2): planned[-1]}
    return _staged({name: replace(trial, seed=seed) for name, trial in trials.items()}, repeat)


def _staged(trials: dict[str, Trial], repeat: int) -> dict[str, Trial]:
    return {
        name: replace(trial, stage=f"ladder {name}", index=repeat) for name, trial in trials.items()
    }


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
        "--repeats",
        type=int,
        default=1,
        help="final trainings of every mixture that is compared at equal accuracy, each with a seed"
        " of its own; single networks and other prices are trained once",
    )
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
