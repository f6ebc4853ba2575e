"""Compares what the planners of a campaign cover after n candidates; nothing is trained.

python -m benchmarks.coverage --pool 29 --experts 4 --candidates 1140 --figure coverage.png
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moesaic.errors import MoesaicError
from moesaic.runs._evidence import mean_interval
from moesaic.strategies.planners import Candidate, coverage, get_planner

SEEDS = 10
POINTS = (10, 20, 30, 45, 60, 100, 200, 400, 700, 1021, 1140)
SHOWN = (60, 200, 1021, 1140)
MEASURES = {
    "pairs_covered": "pairs covered",
    "family_apart": "family counts, largest - smallest",
    "pair_apart": "pair counts, largest - smallest",
}


def measure(plan: Sequence[Candidate], pool: Sequence[str], experts: int) -> dict[str, float]:
    """Return the three measures of one plan."""
    found = coverage(plan, pool, experts)
    return {
        "pairs_covered": found.pairs_covered,
        "family_apart": found.family_count_max - found.family_count_min,
        "pair_apart": found.pair_count_max - found.pair_count_min,
    }


def compare(families: int, experts: int, candidates: int) -> dict[str, Any]:
    """Return the measures of every planner after every number of candidates.

    The alphabetical order has no seed; the others are averaged over the same ten.
    """
    pool = [f"family{index:03}" for index in range(families)]
    after = sorted({min(point, candidates) for point in (*POINTS, candidates)})
    rows: dict[str, Any] = {}
    for name in ("stratified", "random", "alphabetical"):
        seeds = 1 if name == "alphabetical" else SEEDS
        plans = [get_planner(name, pool, experts, seed).plan(candidates) for seed in range(seeds)]
        rows[name] = {
            measured: [
                mean_interval(
                    [measure(plan[:count], pool, experts)[measured] for plan in plans]
                )._asdict()
                for count in after
            ]
            for measured in MEASURES
        }
    space = coverage([], pool, experts).space
    return {
        "families": families,
        "experts": experts,
        "space": space,
        "seeds": SEEDS,
        "candidates": after,
        "planners": rows,
    }


def show(found: dict[str, Any]) -> None:
    """Print one table a measure."""
    shown = [
        (place, count)
        for place, count in enumerate(found["candidates"])
        if count in SHOWN or count == found["candidates"][-1]
    ]
    print(
        f"{found['families']} families, {found['experts']} in a mixture: {found['space']:,} "
        f"candidates; mean of {found['seeds']} seeds (95 % interval)"
    )
    for measured, words in MEASURES.items():
        print(f"\n{words:34}" + "".join(f"{count:>24,}" for _, count in shown))
        for name, row in found["planners"].items():
            cells = [_cell(row[measured][place], measured) for place, _ in shown]
            print(f"  {name:32}" + "".join(f"{cell:>24}" for cell in cells))


def _cell(value: dict[str, float], measured: str) -> str:
    factor, unit = (100, " %") if measured == "pairs_covered" else (1, "")
    mean, low, high = (factor * value[key] for key in ("mean", "low", "high"))
    spread = "" if low == high else f" ({low:.1f} to {high:.1f})"
    return f"{mean:.1f}{spread}{unit}"


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the three measures against the number of candidates."""
    from matplotlib.figure import Figure

    colours = {"stratified": "#1b6ca8", "random": "#888888", "alphabetical": "#c8553d"}
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (measured, words) in zip(figure.subplots(1, 3), MEASURES.items(), strict=True):
        factor = 100 if measured == "pairs_covered" else 1
        for name, row in found["planners"].items():
            mean, low, high = (
                [factor * value[key] for value in row[measured]] for key in ("mean", "low", "high")
            )
            axes.plot(found["candidates"], mean, color=colours[name], label=name)
            axes.fill_between(found["candidates"], low, high, color=colours[name], alpha=0.25)
        axes.set_xscale("log")
        if measured != "pairs_covered":
            axes.set_yscale("symlog", linthresh=1)
            axes.set_ylim(bottom=0)
        axes.set_xlabel("candidates")
        axes.set_title(words + (", %" if factor == 100 else ""), fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=90)


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pool", type=int, default=29, help="families")
    parser.add_argument("--experts", type=int, default=4, help="families in a mixture")
    parser.add_argument("--candidates", type=int, default=1140)
    parser.add_argument("--figure", type=Path, default=None, help="draw it here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    try:
        found = compare(words.pool, words.experts, words.candidates)
    except MoesaicError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if words.json:
        print(json.dumps(found))
    else:
        show(found)
    if words.figure is not None:
        draw(found, words.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
