"""Ranks, searches and covers cells whose trainings are tabulated, beside other tools.

python -m benchmarks.nasbench --table nasbench201_12epoch.csv.gz \
    --clusters cifar10-val,cifar100-val --judge cifar10-test,cifar100-test --seeds 30 --json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._nasbench_peers import PEERS, SLOW, installed
from benchmarks._nasbench_search import play_all, summary
from benchmarks._nasbench_table import Cells, read_tables
from benchmarks._show import answer
from moesaic.errors import InputError, unknown_name

PARTS = ("kendall", "search", "coverage", "cost")
DRAWS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit status is 2 where the tables cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--table", action="append", required=True, help="a CSV file; several are joined on arch")
    add("--clusters", required=True, help="columns that guide, one a cluster, joined by commas")
    add("--judge", required=True, help="columns that judge, in the same order")
    add("--seeds", type=int, default=30, help="searches of each peer")
    add("--first-seed", type=int, default=0, help="the others follow it")
    add("--parts", default=",".join(PARTS), help="any of " + ", ".join(PARTS))
    usual = ",".join(name for name in PEERS if name not in SLOW)
    slow = " and ".join(SLOW)
    add("--peers", default=usual, help=f"of {', '.join(PEERS)}; {slow}, slow, only when named")
    add("--trials", type=int, default=300, help="trainings each peer may pay for")
    add("--draws", type=int, default=DRAWS, help="draws of cells to learn from")
    add("--workers", type=int, default=1, help="processes")
    add("--cache", type=Path, default=None, help="a file that keeps finished searches")
    add("--figure", type=Path, default=None, help="a PNG file to draw")
    add("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args(arguments)
    return answer(words.json, lambda: run(words), show)


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of the parts that were asked for.

    Raises:
        InputError: the tables cannot be read, a part or peer is unknown, or a number is below 1.
    """
    parts = _named("part", words.parts, PARTS)
    names = _named("peer", words.peers, tuple(PEERS))
    for name in ("seeds", "trials", "draws", "workers"):
        if getattr(words, name) < 1:
            raise InputError(f"--{name} is {getattr(words, name)}: give 1 or more")
    clusters = words.clusters.split(",")
    cells = read_tables(words.table, clusters, words.judge.split(","))
    found: dict[str, Any] = {"cells": len(cells.architectures)}
    if "kendall" in parts:
        found |= _kendall(cells, words.draws)
    if "coverage" in parts:
        found |= _coverage(cells, clusters, words.draws)
    if "cost" in parts:
        from benchmarks._nasbench_tau import fit_cost

        found["cost"] = fit_cost(cells.architectures, cells.loss)
    if "search" in parts:
        playing, skipped = installed(names)
        seeds = range(words.first_seed, words.first_seed + words.seeds)
        records = play_all(cells, playing, seeds, words.trials, words.workers, words.cache)
        found |= {**summary(cells, records, words.trials), "skipped": skipped}
    if words.figure is not None:
        from benchmarks._nasbench_figure import draw

        draw(found, words.figure)
    return found


def _kendall(cells: Cells, draws: int) -> dict[str, Any]:
    """Return `kendall` of the default surrogate, and `kendall_models` of it and the others."""
    from benchmarks._nasbench_tau import MODELS, kendall

    told = kendall(cells.architectures, cells.loss, draws, models=MODELS)
    return {"kendall": told[MODELS[0]], "kendall_models": told}


def _coverage(cells: Cells, clusters: Sequence[str], draws: int) -> dict[str, Any]:
    from benchmarks._nasbench_tau import coverage90

    shares = coverage90(cells.architectures, cells.loss, draws=draws)
    return {"coverage90": dict(zip(clusters, map(float, shares), strict=True))}


def _named(kind: str, text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise unknown_name(kind, name, known)
    return names


def show(found: dict[str, Any]) -> None:
    """Print what `run` returned."""
    print(f"{found['cells']:,} cells")
    for model, row in found.get("kendall_models", {}).items():
        taus = "  ".join(f"{size}: {one['mean']:.3f}" for size, one in row.items())
        print(f"Kendall's tau on unseen cells, {model:18} {taus}")
    for cluster, share in found.get("coverage90", {}).items():
        print(f"90 % intervals cover {100 * share:.1f} % of unseen cells on {cluster}")
    for row in found.get("cost", ()):
        print(
            f"{row['observations']:5} observations: fit {row['fit_seconds']:.2f} s, "
            f"proposal {row['propose_seconds']:.2f} s"
        )
    if "search" in found:
        print(f"regret in points, median (quartiles); floor {found['search_floor']:.2f}")
        for name, row in found["search"].items():
            spread = found["search_quartiles"][name]
            cells = "  ".join(
                f"{count}: {value:.2f} ({spread[count][0]:.2f} to {spread[count][1]:.2f})"
                for count, value in row.items()
            )
            guide = "  ".join(f"{value:.2f}" for value in found["search_guide"][name].values())
            seconds = found["search_seconds"][name]
            print(f"{name:20} {cells}  by what guides {guide}  {seconds:.1f} s of CPU")
        for name, why in found["skipped"].items():
            print(f"{name:20} left out: {why}")
        if found["bar"] is not None:
            bar = found["bar"]
            print(f"best other tool: {bar['peer']}, {bar['regret']:.2f} after {bar['trainings']}")
            for name, count in bar["reached_after"].items():
                print(f"{name:20} {'not reached' if count is None else f'after {count}'}")


if __name__ == "__main__":
    sys.exit(main())
