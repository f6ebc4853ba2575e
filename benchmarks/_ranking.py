"""What the benchmark of ranking concludes from trained mixtures, and its figure; trains nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from scipy.stats import t as student

Families = tuple[str, ...]
_RESAMPLES = 2000
_ORDERS = 500


@dataclass(frozen=True)
class Joint:
    """A mixture that was trained jointly.

    Attributes:
        validation: (R,) accuracy of every seed's training.
        test: (R,) the same on the test split.
        passes: training cost in epochs of one network.
    """

    validation: np.ndarray
    test: np.ndarray
    passes: float


def judge_scores(
    scores: Mapping[str, Mapping[Families, float]], trained: Mapping[Families, Joint], seed: int
) -> dict[str, Any]:
    """Return how well each score, and training again, rank the mixtures by test accuracy.

    Args:
        scores: by name and mixture, the higher the better.
        trained: the mixtures that were drawn across the range of scores.
        seed: of the bootstrap over mixtures.
    """
    names = list(trained)
    test = np.array([trained[name].test for name in names])
    validation = np.array([trained[name].validation for name in names])
    columns = {key: np.array([told[name] for name in names]) for key, told in scores.items()}
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(names), size=len(names)) for _ in range(_RESAMPLES)]
    rows = {}
    for key, column in columns.items():
        ahead = [_each(column[d], test[d]) - _ceiling(test[d]) for d in draws]
        rows[key] = {
            "each": [_rank(column, run) for run in test.T],
            "mean": _rank(column, test.mean(axis=1)),
            "validation": _rank(column, validation.mean(axis=1)),
            "ahead_of_training_again": _each(column, test) - _ceiling(test),
            "low": float(np.nanquantile(ahead, 0.025)),
            "high": float(np.nanquantile(ahead, 0.975)),
        }
    return {"mixtures": len(names), "again": _ceiling(test), "scores": rows}


def difference(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """Return the difference of two means with Welch's 95 % interval."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    parts = [v.var(ddof=1) / len(v) for v in (a, b)]
    mean, variance = float(a.mean() - b.mean()), float(sum(parts))
    if variance <= 0:
        return {"mean": mean, "low": mean, "high": mean}
    freedom = variance**2 / sum(
        part**2 / (len(v) - 1) for part, v in zip(parts, (a, b), strict=True)
    )
    half = float(student.ppf(0.975, freedom) * np.sqrt(variance))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def curve(
    plan: Sequence[Families], trained: Mapping[Families, Joint], paid: float, any_order: bool
) -> dict[str, list[float]]:
    """Return the best accuracy found against cost, for a planner's first mixtures.

    The best so far is chosen by validation accuracy within one seed; its test accuracy is
    averaged over the seeds. A random plan is averaged over its orders too: all are as likely.

    Args:
        plan: mixtures in the order in which they were planned.
        trained: by mixture.
        paid: passes spent before the first of them.
        any_order: whether the order means nothing.
    """
    validation = np.array([trained[name].validation for name in plan])
    test = np.array([trained[name].test for name in plan])
    orders = [np.arange(len(plan))]
    if any_order:
        rng = np.random.default_rng(0)
        orders = [rng.permutation(len(plan)) for _ in range(_ORDERS)]
    found = np.zeros(len(plan))
    for order in orders:
        for run in range(test.shape[1]):
            best = [order[validation[order[:n], run].argmax()] for n in range(1, len(plan) + 1)]
            found += test[best, run]
    cost = paid + np.cumsum([trained[name].passes for name in plan])
    return {"passes": cost.tolist(), "accuracy": (found / (len(orders) * test.shape[1])).tolist()}


def at_cost(line: Mapping[str, Sequence[float]], passes: float) -> float | None:
    """Return the accuracy of a curve once that much was spent; None before its first mixture."""
    known = [a for p, a in zip(line["passes"], line["accuracy"], strict=True) if p <= passes + 1e-9]
    return known[-1] if known else None


def draw_figure(curves: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> None:
    """Draw the curves into a file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, line in curves.items():
        accuracy = [100 * value for value in line["accuracy"]]
        axes.step(line["passes"], accuracy, where="post", marker="o", markersize=3, label=name)
    axes.set_xlabel("training cost, epochs of one network (ranked: the families alone counted)")
    axes.set_ylabel("test accuracy of the best so far, %")
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


def _rank(first: np.ndarray, second: np.ndarray) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)


def _each(column: np.ndarray, runs: np.ndarray) -> float:
    return float(np.mean([_rank(column, run) for run in runs.T]))


def _ceiling(runs: np.ndarray) -> float:
    pairs = combinations(range(runs.shape[1]), 2)
    return float(np.mean([_rank(runs[:, a], runs[:, b]) for a, b in pairs]))
