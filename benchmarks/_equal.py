"""What rows of accuracy and cost say about equal accuracy; it trains nothing.

A row is one variant over all seeds: every seed's accuracy is the mean of that seed's trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._again import right_of
from moesaic.runs._evidence import paired_interval

TOLERANCE = 0.003
SEARCHED = "searched"
CASCADE, OF_PRICES, OF_COPIES = "cascade", "cascade of prices", "cascade of copies"
COPIES, SEARCHED_CELL = "homogeneous {:g}", "homogeneous {:g}, expert's cell"
_DRAWS = 2000


def conclude(seeds: list[dict[str, Any]], ratios: list[float]) -> dict[str, Any]:
    """Compare the searched mixture with the homogeneous ones over all seeds.

    Args:
        seeds: of each its `run` and its `rows`: name -> trainings, each with `key`, `accuracy`,
            `macs` and `sources`.
        ratios: of the copies that were trained.
    """
    names = [name for name in seeds[0]["rows"] if all(name in one["rows"] for one in seeds)]
    table, right = {}, {}
    for name in names:
        trained = [one["rows"][name] for one in seeds]
        table[name] = {
            "trainings": sum(map(len, trained)),
            **{part: float(np.mean(_each(trained, part))) for part in ("accuracy", "macs")},
            "accuracies": _each(trained, "accuracy"),
            "all_macs": _each(trained, "macs"),
            "sources": np.mean(
                [np.mean([one["sources"] for one in rows], axis=0) for rows in trained], axis=0
            ).tolist(),
        }
        right[name] = [
            np.mean([right_of(Path(one["run"]), each["key"]) for each in one["rows"][name]], axis=0)
            for one in seeds
        ]
    luck = training_luck([rows for one in seeds for rows in one["rows"].values()])
    for name, row in table.items():
        row["searched_ahead"] = paired_interval(right[SEARCHED], right[name])._asdict()

    def equal(name: str) -> dict[str, Any]:
        told = equal_accuracy(table, ratios, name)
        rival = told["homogeneous"]
        gap = paired_interval(right[name], right[rival])._asdict() if rival else None
        return {**told, "ahead": gap, "share_by_luck": share_by_luck(table, ratios, luck, name)}

    known = {name: equal(name) for name in (CASCADE, OF_PRICES, OF_COPIES) if name in table}
    told = {"doubling": doubling(table, ratios), "cascades": known, "training_luck": luck}
    return {"table": table, **equal(SEARCHED), **told}


def _each(trained: Sequence[Sequence[dict[str, Any]]], part: str) -> list[float]:
    """Return the mean of every seed's trainings."""
    return [float(np.mean([one[part] for one in rows])) for rows in trained]


def training_luck(rows: Sequence[Sequence[dict[str, Any]]]) -> float | None:
    """Return the standard deviation of the accuracy of one training about the mean of its like.

    Args:
        rows: trainings that differ in nothing but their seed; each has an `accuracy`. Pooled; None
            where no row was trained twice.
    """
    known = [np.array([one["accuracy"] for one in row]) for row in rows if len(row) > 1]
    if not known:
        return None
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in known)
    return float(np.sqrt(squares / sum(len(each) - 1 for each in known)))


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
    rows = _front(table, _copies(table, ratios))
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


def share_by_luck(
    table: dict[str, Any], ratios: list[float], luck: float | None, which: str = SEARCHED
) -> dict[str, float | None] | None:
    """Return between what the interpolated share lies, as trainings are lucky: 95 % of draws.

    Every mean is drawn anew with the deviation of one training over the root of the row's
    trainings, each row by itself; seeds and images stay as they are. `low` is None where the draw
    is more accurate than all the copies, `high` where it is less: the share is then less, or more,
    than any that was measured. None without a `luck`.
    """
    if luck is None:
        return None
    names = [which, *_copies(table, ratios)]
    rng = np.random.default_rng(0)
    shares = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        drawn = {
            name: {
                "macs": table[name]["macs"],
                "accuracy": table[name]["accuracy"]
                + luck * rng.standard_normal() / np.sqrt(table[name]["trainings"]),
            }
            for name in names
        }
        told = equal_accuracy(drawn, ratios, which)
        share = told["share_interpolated"]
        beyond = 0.0 if told["best_homogeneous_ahead"] < 0 else np.inf
        shares[draw] = beyond if share is None else share
    low, high = np.quantile(shares, [0.025, 0.975], method="nearest")
    return {"low": float(low) or None, "high": float(high) if np.isfinite(high) else None}


def _copies(table: dict[str, Any], ratios: list[float]) -> list[str]:
    known = [name.format(ratio) for ratio in ratios for name in (COPIES, SEARCHED_CELL)]
    return [name for name in known if name in table]


def _front(table: dict[str, Any], names: Sequence[str]) -> list[tuple[float, float, str]]:
    """Return (MACs, accuracy, name) of the rows that no cheaper one is as good as."""
    rows: list[tuple[float, float, str]] = []
    every = sorted((table[name]["macs"], -table[name]["accuracy"], name) for name in names)
    for cost, minus, name in every:
        if not rows or -minus > rows[-1][1]:
            rows.append((cost, -minus, name))
    return rows


def _where(rows: list[tuple[float, float, str]], goal: float) -> float | None:
    """Return the MACs at which the accuracies first pass the goal, None where they never do."""
    for (before, below, _), (macs, accuracy, _) in pairwise(rows):
        if below <= goal <= accuracy:
            part = (goal - below) / max(accuracy - below, 1e-12)
            return float(np.exp((1 - part) * np.log(before) + part * np.log(macs)))
    return None


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


def least_share(gains: Sequence[float] | NDArray[np.float64]) -> float | None:
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


def show(found: dict[str, Any]) -> None:
    """Print the table and the conclusion."""
    head = f"{'variant':32}{'test':>8}  {'seeds':26}{'sources':20}{'MACs':>11}"
    print(f"{head}  searched ahead, points                 trainings")
    for name, row in sorted(found["table"].items(), key=lambda pair: pair[1]["macs"]):
        seeds = " ".join(f"{value:.4f}" for value in row["accuracies"])
        sources = " ".join(f"{value:.4f}" for value in row["sources"])
        gap = row["searched_ahead"]
        ahead = f"{100 * gap['mean']:+.2f} ({100 * gap['low']:+.2f} to {100 * gap['high']:+.2f})"
        print(
            f"{name:32}{row['accuracy']:8.4f}  {seeds:26}{sources:20}{row['macs']:11,.0f}  "
            f"{ahead:38} {row['trainings']}"
        )
    if found["training_luck"] is not None:
        print(f"one training deviates by {100 * found['training_luck']:.2f} points from its like")
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
    if found["share_by_luck"] is not None:
        low, high = (found["share_by_luck"][end] for end in ("low", "high"))
        below = "less than measured" if low is None else f"{100 * low:.0f}"
        above = "more than measured" if high is None else f"{100 * high:.0f}"
        print(f"{name}: by the luck of trainings {below} to {above} % (95 %)")
