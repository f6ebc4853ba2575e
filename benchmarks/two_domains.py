"""Compares a mixture found without domain labels with what one would build by hand, equal in cost.

Runs `moesaic search` on a join of two data sets and adds the paired gains, with intervals, over
the best single network trained for as many epochs, over the same trained K times as long, over the
ensemble of K single networks, and over the routing by the true domains.

    python -m benchmarks.two_domains --data A.npz+B.npz --image-size 16 --experts 2 --repeats 3

With `--seeds` whole searches are repeated, not only their final trainings, each with clusters of
its own, and the clusters that go to the expert of their own source are counted. `--oracle` trains
the mixture with the routing by the true domains, and no other baseline; `--repeats` then are such
pairs a search:

    python -m benchmarks.two_domains --data A.npz+B.npz --clusters 30 --seeds 0 1 2 --oracle

With `--out` an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import moesaic
from benchmarks._again import (
    clusters_on_their_source,
    design_of,
    on_test,
    right_of,
    search_or_resume,
    with_session,
)
from benchmarks._show import add_search_options, show_search
from moesaic.bank import Trial
from moesaic.data import open_dataset
from moesaic.runs._evidence import mean_interval, paired_interval
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import mixture_trial, oracle_experts
from moesaic.seeds import derive_seed


def run(settings: dict[str, Any], out: Path | None, oracle: bool = False) -> dict[str, Any]:
    """Search once and return the search's result with the gains beside it.

    Args:
        settings: of the search.
        out: directory of the run; a temporary one when None.
        oracle: train the oracle routing beside the mixture and leave the other baselines out.
    """
    place = out or Path(tempfile.mkdtemp(prefix="two-domains-")) / "run"
    pairs = settings["repeats"]
    if oracle:
        settings = {**settings, "baselines": False, "repeats": 1}
    found = search_or_resume(place, settings).result
    told = {**found, **gains(found)}
    if oracle:
        told["gain_over_oracle"] = over_oracle(place, found, pairs)
    if open_dataset(place / "data").domain_names:
        right, count = clusters_on_their_source(place, found["selection"]["routing"])
        told |= {"clusters_right": right, "clusters": count}
    if out is None:
        shutil.rmtree(place.parent)
    return told


def over_oracle(place: Path, result: dict[str, Any], pairs: int = 1) -> dict[str, float]:
    """Train a finished search's mixture with the true routing too; return searched - oracle.

    Args:
        place: of the search.
        result: what it found.
        pairs: seeds of the final trainings; the first is the search's own.
    """

    def work(session: SearchSession) -> dict[str, float]:
        design = design_of(session, result)
        trials: dict[str, list[Trial]] = {"searched": [], "oracle": []}
        for pair in range(pairs):
            seed = derive_seed(design.config.seed, "final", pair)
            found = mixture_trial(design, design.experts, design.routing, seed)
            known = mixture_trial(design, oracle_experts(design), "domains", seed)
            trials["searched"].append(replace(found, stage="pair-searched", index=pair))
            trials["oracle"].append(replace(known, stage="pair-oracle", index=pair))
        planned = [*trials["searched"], *trials["oracle"]]
        session.perform("mixtures with the true routing beside them", planned)
        on_test(session, planned)
        right = [[right_of(place, one.key) for one in each] for each in trials.values()]
        return paired_interval(*right)._asdict()

    found: dict[str, float] = with_session(place, work)
    return found


def run_seeds(
    settings: dict[str, Any], seeds: list[int], out: Path | None, oracle: bool
) -> dict[str, Any]:
    """Search once with every seed; the differences are averaged over the seeds."""
    found = [
        run({**settings, "seed": seed}, None if out is None else out / f"seed-{seed}", oracle)
        for seed in seeds
    ]
    averaged = {}
    for name in [name for name in found[0] if name.startswith("gain_over_")]:
        known = [one[name]["mean"] for one in found if one[name] is not None]
        averaged[name] = mean_interval(np.array(known))._asdict() if known else None
    return {
        "seeds": [{"seed": seed, **one} for seed, one in zip(seeds, found, strict=True)],
        "clusters_right": [one.get("clusters_right") for one in found],
        "clusters": [one.get("clusters") for one in found],
        "routing_agreement": [one["routing_agreement"] for one in found],
        "seconds": sum(one["seconds"] for one in found),
        **averaged,
    }


def gains(result: dict[str, Any]) -> dict[str, Any]:
    """Return the gains of the mixture that validation prefers, in test accuracy."""
    decided = result["verdict"]
    names = ("single", "single_long", "ensemble", "random", "oracle")
    return {
        **{f"gain_over_{name}": decided["gains"].get(name) for name in names},
        "routing_agreement": result["routing"]["agreement_domains"],
    }


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_search_options(parser, repeats=3)
    parser.add_argument("--clusters", type=int, default=None, help="M; chosen when not given")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=None, help="of whole searches; instead of --seed"
    )
    parser.add_argument("--oracle", action="store_true", help="the only baseline: true routing")
    words = parser.parse_args()
    settings = words.settings(words)
    if words.clusters is not None:
        settings["clusters"] = words.clusters
    try:
        if words.seeds is None:
            found = run(settings, words.out, words.oracle)
        else:
            found = run_seeds(settings, words.seeds, words.out, words.oracle)
    except moesaic.errors.MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if words.json:
        print(json.dumps(found))
    else:
        show(found)
    return 0


def show(found: dict[str, Any]) -> None:
    """Print what one search, or one with every seed, found."""
    for one in found.get("seeds", [found]):
        show_search(one)
        if "clusters_right" in one:
            told = f"{one['clusters_right']} of {one['clusters']} clusters"
            print(f"{told} go to the expert of their own source")
        if one["routing_agreement"] is not None:
            print(f"routing agrees with the domains on {100 * one['routing_agreement']:.2f} %")
    for name, gain in found.items():
        if name.startswith("gain_over_") and gain is not None:
            print(
                f"{name}: {100 * gain['mean']:+.2f} points "
                f"({100 * gain['low']:+.2f} to {100 * gain['high']:+.2f})"
            )
    print(f"{found['seconds']:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
