"""What the bank of an earlier run adds to a surrogate of few cells, on a table of cells.

One column of the table stands for the earlier run, another for this one. Kendall tau is taken on
cells that neither had seen. The columns hold accuracies in per cent; the loss is
what is missing to 100 %.

    python -m benchmarks.transfer --table cells.csv.gz --source cifar100-val --target cifar10-val
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks._nasbench_table import SPACE, read_tables
from moesaic.bank import Observation, Trial
from moesaic.errors import InputError, MoesaicError
from moesaic.runs._evidence import mean_interval
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, SearchSpace, get_space
from moesaic.surrogate import Prior, Surrogate, TransferSurrogate, get_surrogate

Floats = NDArray[np.float64]


def read_table(path: Path, columns: list[str]) -> tuple[SearchSpace, list[Architecture], Floats]:
    """Return the space, its n cells, and their losses (n, columns), isomorphic cells once.

    Raises:
        InputError: see `read_tables`.
    """
    found = read_tables([path], columns, columns).distinct()
    return get_space(SPACE), found.architectures, 1.0 - found.accuracy / 100.0


def observe(cells: list[Architecture], losses: Floats) -> list[Observation]:
    """Return what a run would have measured: one cluster, one loss."""
    return [
        Observation(
            Trial("expert", "table", index, index, cell), loss[None], 1.0 - loss[None], 1, 1, 1.0
        )
        for index, (cell, loss) in enumerate(zip(cells, losses, strict=True))
    ]


def one_draw(
    space: SearchSpace,
    cells: list[Architecture],
    losses: Floats,
    words: argparse.Namespace,
    draw: int,
) -> dict[str, float]:
    """Return Kendall tau of the prior alone, without it, and with it."""
    seed = derive_seed(words.seed, "transfer", draw)
    order = generator(words.seed, "transfer/cells", draw).permutation(len(cells))
    parts = np.split(order, np.cumsum([words.bank, words.cells, words.unseen]))[:3]
    old, new, unseen = ([cells[row] for row in part] for part in parts)
    prior = Prior(space, observe(old, losses[parts[0], 0]), seed)
    truth = losses[parts[2], 1]
    found = {"bank alone": float(kendalltau(prior(unseen), truth).statistic)}
    models: dict[str, Surrogate] = {
        "without": get_surrogate("blend", space, seed),
        "with": TransferSurrogate(space, seed, prior),
    }
    for name, model in models.items():
        model.fit(observe(new, losses[parts[1], 1]))
        found[name] = float(kendalltau(model.predict(unseen)[0][:, 0], truth).statistic)
    return found


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, required=True, help="CSV, .gz or not, with cellstr")
    parser.add_argument("--source", required=True, help="the earlier run's column")
    parser.add_argument("--target", required=True, help="this run's column")
    parser.add_argument("--bank", type=int, default=100, help="cells of the earlier run")
    parser.add_argument("--cells", type=int, default=25, help="cells of this run")
    parser.add_argument("--unseen", type=int, default=1000, help="cells that are judged on")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    try:
        space, cells, losses = read_table(words.table, [words.source, words.target])
        if min(words.bank, words.cells, words.unseen, words.draws) < 2:
            raise InputError("--bank, --cells, --unseen and --draws should be 2 or more")
        if words.bank + words.cells + words.unseen > len(cells):
            raise InputError(f"the table has {len(cells)} different cells: ask for fewer")
        draws = []
        for draw in range(words.draws):
            draws.append(one_draw(space, cells, losses, words, draw))
            print(f"draw {draw + 1}: {draws[-1]}", file=sys.stderr, flush=True)
    except MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    table = {name: np.asarray([one[name] for one in draws]) for name in draws[0]}
    table["gain"] = table["with"] - table["without"]
    found = {name: mean_interval(values)._asdict() for name, values in table.items()}
    if words.json:
        asked = {name: getattr(words, name) for name in ("source", "target", "bank", "cells")}
        print(json.dumps({**asked, "draws": words.draws, "kendall": found}))
    else:
        for name, row in found.items():
            print(f"{name:12} {row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
