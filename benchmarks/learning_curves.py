"""Forecasts the accuracy of a late epoch from the early ones, on families that were held out.

Every family in turn is forecast by a `CurveExtrapolator` that saw the other families whole and
of this one nothing but its early rows, when it is asked. What is compared is the rank correlation
with the truth, of the forecast and of the early accuracy alone, by three definitions:

    families        the best of a family early (forecast: its highest) against its best late
    configurations  every configuration that has both
    within          the mean over families of 4 configurations or more, weighted by their number

The intervals are bootstrap intervals over families, the difference is paired.

    python -m benchmarks.learning_curves --trials trials.csv.gz --early 5 --final 50 --json
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks._show import answer
from benchmarks._trials import Trials, read_trials
from moesaic.errors import InputError
from moesaic.seeds import generator
from moesaic.surrogate import Curve, CurveExtrapolator

LEAST_WITHIN = 4
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def kin_of(family: str) -> str:
    """Return the name up to its number: DPN68 and DPN107 are kin, so are MoEv4 and MoE-0707."""
    found = re.match(r"[A-Za-z]+?(?=[vV]?\d|-|$)", family)
    return found.group() if found else family


def forecast(
    curves: list[Curve], early: int, final: int, held_out: str, seed: int
) -> tuple[Floats, Floats, Floats, Counter[str]]:
    """Return mean, low and high (n,) for every curve with an early score, and the models used."""
    of = kin_of if held_out == "kin" else str
    mean, low, high = (np.empty(len(curves)) for _ in range(3))
    used: Counter[str] = Counter()
    for group in sorted({of(curve.family) for curve in curves}):
        model = CurveExtrapolator(early, final, seed)
        model.fit([curve for curve in curves if of(curve.family) != group])
        used[model.quality.model] += 1
        rows = [row for row, curve in enumerate(curves) if of(curve.family) == group]
        # Nothing late is handed over, not even to be left unread.
        asked = [
            Curve(one.family, {at: s for at, s in one.scores.items() if at <= early}, one.settings)
            for one in (curves[row] for row in rows)
        ]
        found = model.predict(asked)
        mean[rows], low[rows], high[rows] = found.mean, found.low, found.high
        print(f"{group}: {len(rows)} curves, {model.quality.model}", file=sys.stderr, flush=True)
    return mean, low, high, used


def rank(first: Floats, second: Floats) -> float:
    """Return Spearman's correlation; NaN without an order. Thousands are asked for: no test."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def within(score: Floats, truth: Floats, group: Ints) -> float:
    """Return the mean rank correlation inside groups of at least 4, weighted by their size."""
    found, size = [], []
    for one in np.unique(group):
        rows = group == one
        if rows.sum() >= LEAST_WITHIN and np.ptp(score[rows]) > 0 and np.ptp(truth[rows]) > 0:
            found.append(rank(score[rows], truth[rows]))
            size.append(int(rows.sum()))
    return float(np.average(found, weights=size)) if found else float("nan")


def compare(
    measure: Callable[[Floats, Floats, Ints], float],
    early: Floats,
    forecasts: Floats,
    truth: Floats,
    group: Ints,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Return both correlations and their difference with 95 % intervals over groups."""
    rows = [np.flatnonzero(group == one) for one in np.unique(group)]
    table = []
    for draw in range(draws):
        rng = generator(seed, "learning_curves/bootstrap", draw)
        picked = rng.integers(len(rows), size=len(rows))
        taken = np.concatenate([rows[one] for one in picked])
        # A family drawn twice counts as two families, also inside `within`.
        named = np.repeat(np.arange(len(picked)), [len(rows[one]) for one in picked])
        pair = [measure(score[taken], truth[taken], named) for score in (early, forecasts)]
        table.append([*pair, pair[1] - pair[0]])
    ends = np.nanquantile(np.asarray(table), [0.025, 0.975], axis=0)
    points = [measure(score, truth, group) for score in (early, forecasts)]
    points.append(points[1] - points[0])
    return {
        name: {"value": points[place], "low": ends[0, place], "high": ends[1, place]}
        for place, name in enumerate(("early", "forecast", "difference"))
    }


def judge(trials: Trials, words: argparse.Namespace) -> dict[str, Any]:
    """Return all that the benchmark says of a file of trials."""
    early, final = words.early, words.final
    curves = [curve for curve in trials.curves if early in curve.scores]
    begun = time.process_time()
    mean, low, high, used = forecast(curves, early, final, words.held_out, words.seed)
    seconds = time.process_time() - begun
    names = sorted({family for family, epoch in trials.best if epoch == final})
    names = [name for name in names if (name, early) in trials.best]
    of = np.asarray([names.index(one.family) if one.family in names else -1 for one in curves])
    best = [mean[of == place].max() for place in range(len(names))]
    whole = np.asarray([final in curve.scores for curve in curves])
    truth = np.asarray([curve.scores[final] for curve in curves if final in curve.scores])
    at_early = np.asarray([curve.scores[early] for curve in curves])[whole]
    inside = (low[whole] <= truth) & (truth <= high[whole])
    asked = (words.draws, words.seed)
    plain: Callable[[Floats, Floats, Ints], float] = lambda score, wanted, _: rank(score, wanted)  # noqa: E731
    return {
        "rows": trials.rows,
        "early": early,
        "final": final,
        "held_out": words.held_out,
        "families": compare(
            plain,
            np.asarray([trials.best[name, early] for name in names]),
            np.asarray(best),
            np.asarray([trials.best[name, final] for name in names]),
            np.arange(len(names)),
            *asked,
        ),
        "configurations": compare(plain, at_early, mean[whole], truth, of[whole], *asked),
        "within": compare(within, at_early, mean[whole], truth, of[whole], *asked),
        "counts": {"families": len(names), "configurations": int(whole.sum())},
        "coverage90": float(inside.mean()),
        "coverage90_family_mean": float(
            np.mean([inside[of[whole] == one].mean() for one in np.unique(of[whole])])
        ),
        "models": dict(used),
        "cpu_seconds": seconds,
    }


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=Path, required=True, help="a CSV file, .gz or not")
    parser.add_argument("--early", type=int, default=5, help="the last epoch that is seen")
    parser.add_argument("--final", type=int, default=50, help="the epoch that is forecast")
    parser.add_argument("--held-out", choices=("family", "kin"), default="family")
    parser.add_argument("--draws", type=int, default=2000, help="of the bootstrap")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Read the trials and judge the forecasts."""
    if words.draws < 1:
        raise InputError(f"--draws is {words.draws}: give at least 1")
    return judge(read_trials(words.trials, words.early), words)


def show(found: dict[str, Any]) -> None:
    """Print one line a definition."""
    for name in ("families", "configurations", "within"):
        count = found["counts"].get(name)
        parts = [
            f"{kind} {one['value']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
            for kind, one in found[name].items()
        ]
        print(f"{name:15}{'' if count is None else count:>5}  {'  '.join(parts)}")
    print(f"90 % intervals hold {100 * found['coverage90']:.1f} % of the configurations")


if __name__ == "__main__":
    sys.exit(main())
