"""Whether a search finds the two regions of the SA-NAS toy, and how well its mixture does.

A strategy is asked and told until the budget of trainings is used up, less what the assembly needs;
the assembly is the same for all (`benchmarks._toy_final`), the data are in `benchmarks._toy_data`.
Every training counts. The mixture is routed by the cluster rule: the nearest centroid, then the
expert of that cluster. `agreement` is the number of clusters on the oracle's side, up to exchanging
the experts; nothing but this figure reads the oracle.

    python -m benchmarks.toy --seeds 0 1 2 --trials 170 --strategy joint --variant balanced
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch

from benchmarks._toy_data import VARIANTS, make_world
from benchmarks._toy_experts import Trainer, workers
from benchmarks._toy_final import EXPERTS, RESERVED, assemble
from moesaic.bank import Observation
from moesaic.errors import InputError, MoesaicError
from moesaic.spaces import get_space
from moesaic.strategies import get_strategy, strategy_names

PORTION = 8
LEAST = 40
STEPS = 240  # of every training of the search, whatever it sees
WIDTHS = (4,)


def run_seed(
    variant: str, seed: int, strategy: str, trials: int, pool: Executor | None = None
) -> dict[str, Any]:
    """Search once and judge what was found.

    Args:
        variant: one of `VARIANTS`.
        seed: of the points, of the search and of every training.
        strategy: a name of `moesaic.strategies`.
        trials: most trainings, those of the assembly counted.
        pool: worker processes, or None to train here.
    """
    started = time.monotonic()
    world = make_world(variant, seed)
    space = get_space("vector_cells", widths=WIDTHS)
    trainer = Trainer(variant, seed, world, pool)
    budget = trials - RESERVED
    searcher = get_strategy(
        strategy, space, EXPERTS, world.weight, seed, **_options(strategy, budget)
    )
    bank: list[Observation] = []
    while trainer.trainings < budget:
        asked = searcher.ask(min(PORTION, budget - trainer.trainings))
        if not asked:
            break
        found = trainer.train("search", [(one.architecture, one.subset) for one in asked], STEPS)
        told = [one.observation for one in found if one is not None]
        bank += told
        searcher.tell(told)
    mixture = assemble(trainer, world, space, bank, searcher.groups(), seed)
    same = int(((mixture.routing == mixture.routing[0]) == (world.oracle == world.oracle[0])).sum())
    return {
        "seed": seed,
        "agreement": max(same, len(world.oracle) - same),
        "clusters": len(world.oracle),
        "accuracy": mixture.accuracy,
        "seconds": time.monotonic() - started,
        "trainings": trainer.trainings,
        "experts": [space.describe(one) for one in mixture.experts],
        "linear_expert": _serves(mixture.routing, world.oracle),
    }


def _options(strategy: str, budget: int) -> dict[str, Any]:
    if strategy not in ("joint", "decomposed"):
        return {}
    options: dict[str, Any] = {"pool": 64, "surrogate": "gaussian_process"}
    if strategy == "joint":
        options |= {"masks": True, "initial": 8, "explore": max(1, 2 * budget // 3)}
    return options


def _serves(routing: np.ndarray, oracle: np.ndarray) -> int:
    """Return which expert serves most of the oracle's linear clusters."""
    return int(np.bincount(routing[oracle]).argmax())


def run(
    variant: str, seeds: list[int], strategy: str, trials: int, processes: int
) -> dict[str, Any]:
    """Run every seed, one after the other."""
    if trials < RESERVED + LEAST:
        raise InputError(f"{trials} trials: the assembly needs {RESERVED}, give {LEAST} more")
    torch.set_num_threads(1)
    rows = []
    pool = workers(processes) if processes > 1 else None
    try:
        for seed in seeds:
            rows.append(run_seed(variant, seed, strategy, trials, pool))
            print(_line(rows[-1]), file=sys.stderr, flush=True)
    finally:
        if pool is not None:
            pool.shutdown()
    return {"variant": variant, "strategy": strategy, "seeds": rows}


def _line(row: dict[str, Any]) -> str:
    return (
        f"seed {row['seed']}: {row['agreement']} of {row['clusters']} clusters, accuracy "
        f"{row['accuracy']:.3f}, {row['trainings']} trainings, {row['seconds']:.0f} s, "
        + " / ".join(row["experts"])
    )


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--trials", type=int, default=170, help="most trainings a seed")
    parser.add_argument("--strategy", default="joint", choices=strategy_names())
    parser.add_argument("--variant", default="balanced", choices=VARIANTS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    try:
        found = run(words.variant, words.seeds, words.strategy, words.trials, words.workers)
    except MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if words.json:
        print(json.dumps(found))
    else:
        rows = found["seeds"]
        right = sum(row["agreement"] == row["clusters"] for row in rows)
        mean = statistics.mean(row["accuracy"] for row in rows)
        print(f"all clusters right on {right} of {len(rows)} seeds, mean accuracy {mean:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
