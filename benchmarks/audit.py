"""Audits a campaign's results, and predicts them beside a plain additive ridge.

python -m benchmarks.audit --results moe4_results.csv
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks._show import answer
from moesaic.report.campaign import (
    Candidate,
    audit,
    family_yield,
    predict_accuracy,
    read_candidates,
    read_pool,
)

PENALTY = 0.1


def main() -> int:
    """Run the benchmark; the exit status is 2 where the results cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="a CSV file of candidates")
    parser.add_argument("--pool", type=Path, default=None, help="one name a line")
    parser.add_argument("--first", type=int, default=60, help="rows that predict the others")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words.results, words.pool, words.first), show)


def run(results: Path, pool: Path | None, first: int) -> dict[str, Any]:
    """Return the audit's figures and both models' scores.

    Args:
        results: a CSV file of candidates, earliest first.
        pool: the families there were to choose from.
        first: how many measured rows predict the others.
    """
    start = time.perf_counter()
    candidates = read_candidates(results)
    audited = audit(candidates, read_pool(pool) if pool else None)
    measured = [found for found in candidates if found.accuracy is not None]
    told = family_yield(measured)
    seconds = time.perf_counter() - start
    left_out = [
        (measured[:row] + measured[row + 1 :], measured[row : row + 1])
        for row in range(len(measured))
    ]
    accuracy = np.array([found.accuracy for found in measured])
    scores = {}
    for name, model in (("moesaic", predict_accuracy), ("ridge", ridge)):
        loo = np.concatenate([model(rest, one) for rest, one in left_out])
        later = model(measured[:first], measured[first:])
        scores[name] = {
            **score("loo", accuracy, loo),
            **score("later", accuracy[first:], later),
        }
    kept = ("anchored", "space", "distinct", "share", "uniform_p", "prefix_p")
    return {
        **{name: audited[name] for name in kept},
        "effects": told["effects"],
        "closed_form": {name: told[name] for name in ("loo_r2", "loo_spearman")},
        "first": first,
        "scores": scores,
        "seconds": seconds,
    }


def ridge(known: Sequence[Candidate], asked: Sequence[Candidate]) -> np.ndarray:
    """Predict by a plain additive ridge on centred indicators of families."""
    names = sorted({name for found in known for name in found.families})
    inputs, queries = (
        np.array([[float(name in found.families) for name in names] for found in rows])
        for rows in (known, asked)
    )
    target = np.array([found.accuracy for found in known])
    centred = inputs - inputs.mean(axis=0)
    gram = centred.T @ centred + PENALTY * np.eye(len(names))
    weights = np.linalg.solve(gram, centred.T @ (target - target.mean()))
    return target.mean() + (queries - inputs.mean(axis=0)) @ weights


def score(name: str, accuracy: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return R^2 against the mean of these rows, and Spearman's rank correlation."""
    left = ((accuracy - predicted) ** 2).sum()
    return {
        f"{name}_r2": float(1.0 - left / ((accuracy - accuracy.mean()) ** 2).sum()),
        f"{name}_spearman": float(spearmanr(accuracy, predicted).statistic),
    }


def show(found: dict[str, Any]) -> None:
    """Print what `run` returned."""
    print(f"anchored: {', '.join(found['anchored']) or 'none'}")
    print(f"covered: {found['distinct']:,} of {found['space']:,}, {100 * found['share']:.6f} %")
    print(f"uniform p {found['uniform_p']:.4f}, order p {found['prefix_p']:.4f}")
    for row in (*found["effects"][:3], found["effects"][-1]):
        print(f"{row['name']:16} {row['mean']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})")
    columns = ("loo_r2", "loo_spearman", "later_r2", "later_spearman")
    print(f"{'':8}" + "".join(f"{name:>16}" for name in columns))
    for name, row in found["scores"].items():
        print(f"{name:8}" + "".join(f"{row[column]:16.4f}" for column in columns))
    closed = found["closed_form"]
    print(f"leave-one-out in closed form: {closed['loo_r2']:.4f}, {closed['loo_spearman']:.4f}")
    print(
        f"later: rows after the first {found['first']}; audit and yield: {found['seconds']:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
