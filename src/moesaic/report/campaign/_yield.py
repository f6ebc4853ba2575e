"""Which families pay: effects in accuracy, whom to keep, drop and measure; it draws no plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import spearmanr

from moesaic.errors import InputError
from moesaic.report.campaign._candidates import Candidate
from moesaic.report.campaign._design import Design, make_design
from moesaic.report.campaign._effects import Effects, fit_effects
from moesaic.seeds import generator

Floats = NDArray[np.float64]
SURE = 0.95
_DRAWS = 4000
_LEAST = 8


def family_yield(
    candidates: Sequence[Candidate],
    holdout: Sequence[Candidate] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Say what each family adds to the accuracy of a mixture, and how sure that is.

    An effect is the accuracy of a mixture that holds the family beside average ones, less the
    mean of that over the families whose effect can be told: it does not depend on how often or
    with whom a family was tried. Intervals hold 95 % of what is known.

    Args:
        candidates: at least 8 with an accuracy; the others are left out.
        holdout: other candidates of the same campaign, predicted and not learned from.
        seed: of the draws behind intervals and probabilities.

    Returns:
        A JSON-able mapping; docs/audit.md says what each name holds.

    Raises:
        InputError: too few accuracies, all equal, not in 0 .. 1, or mixtures of another size.
    """
    measured, accuracy, design, effects = _fit(candidates)
    columns = design.columns(measured)
    drawn = effects.draw(_DRAWS, generator(seed, "family-yield"))
    rows = _family_rows(design, effects, drawn, measured)
    left_out = effects.leave_one_out(columns, accuracy)
    return {
        "effects": rows,
        **_scores("loo", accuracy, left_out),
        **_held_out(design, effects, measured, holdout or (), left_out),
        "drop": [row["name"] for row in reversed(rows) if row["verdict"] == "drop"],
        "keep": [row["name"] for row in rows if row["verdict"] == "keep"],
        "measure_more": [row["name"] for row in rows if row["verdict"] == "measure"],
        "pairs": _pair_rows(design, effects, drawn, measured),
        "anchored": [
            name for name, always in zip(design.families, design.anchored, strict=True) if always
        ],
        "candidates": len(measured),
        "noise": effects.noise,
        "ceiling": effects.ceiling,
    }


def predict_accuracy(candidates: Sequence[Candidate], others: Sequence[Candidate]) -> Floats:
    """Return the accuracy (n,) that measured candidates let expect of n others.

    Args:
        candidates: at least 8 with an accuracy; the others are left out.
        others: mixtures of any families; one that was never measured counts as average.

    Raises:
        InputError: as `family_yield` does.
    """
    _, _, design, effects = _fit(candidates)
    return effects.predict(design.columns(others))


def _fit(candidates: Sequence[Candidate]) -> tuple[list[Candidate], Floats, Design, Effects]:
    measured, accuracy = _measured(candidates)
    if len(measured) < _LEAST or accuracy.min() == accuracy.max():
        what = "different accuracies" if len(measured) >= _LEAST else f"{_LEAST} accuracies"
        raise InputError(
            f"{len(measured)} candidates with an accuracy are too few or too alike to tell "
            f"families apart: give at least {what}"
        )
    design = make_design(measured)
    if all(design.anchored):
        raise InputError("all candidates hold the same families: effects need different ones")
    groups = [size for size in (len(design.families), len(design.pairs)) if size]
    effects = fit_effects(design.columns(measured), accuracy, tuple(groups))
    return measured, accuracy, design, effects


def _measured(candidates: Sequence[Candidate]) -> tuple[list[Candidate], Floats]:
    measured = [found for found in candidates if found.accuracy is not None]
    accuracy = np.array([found.accuracy for found in measured], dtype=np.float64)
    wrong = accuracy[(accuracy < 0.0) | (accuracy > 1.0)]
    if len(wrong):
        raise InputError(f"an accuracy is {wrong[0]:g}, expected 0 to 1: divide per cent by 100")
    return measured, accuracy


def _average(design: Design, drawn: Floats, experts: int) -> Floats:
    """Return the level (S,) of a mixture of anchored families and average other ones."""
    anchored = np.array(design.anchored)
    size = len(anchored)
    share = (experts - anchored.sum()) / (size - anchored.sum())
    shift = np.where(anchored, 0.0, share - design.centre[:size])
    level: Floats = drawn[:, 0] + drawn[:, 1 : 1 + size] @ shift
    return level


def _family_rows(
    design: Design, effects: Effects, drawn: Floats, measured: Sequence[Candidate]
) -> list[dict[str, Any]]:
    known = ~np.array(design.anchored)
    own = drawn[:, 1 : 1 + len(known)]
    average = _average(design, drawn, len(measured[0].families))
    level = average[:, None] + own - own[:, known].mean(axis=1, keepdims=True)
    reached = effects.ceiling * expit(level)
    effect = reached - reached[:, known].mean(axis=1, keepdims=True)
    best = np.where(known, effect, -np.inf).argmax(axis=1)
    rows = []
    for place, name in enumerate(design.families):
        row = {
            "name": name,
            **_interval(effect[:, place]),
            "n": sum(name in found.families for found in measured),
            "identifiable": bool(known[place]),
            "p_keep": float((effect[:, place] > 0).mean()),
            "p_drop": float((effect[:, place] <= 0).mean()),
            "p_best": float((best == place).mean()),
        }
        rows.append({**row, "verdict": _verdict(row, effects.noise)})
    return sorted(rows, key=lambda row: -row["mean"])


def _verdict(row: dict[str, Any], noise: float) -> str:
    """Decide on a family; what differs by less than one training's noise is left as average."""
    if row["identifiable"] and row["p_keep"] >= SURE:
        return "keep"
    if row["identifiable"] and row["p_drop"] >= SURE:
        return "drop"
    return "average" if -noise <= row["low"] and row["high"] <= noise else "measure"


def _pair_rows(
    design: Design, effects: Effects, drawn: Floats, measured: Sequence[Candidate]
) -> list[dict[str, Any]]:
    """Return what pairs add beyond their two families, best first."""
    average = _average(design, drawn, len(measured[0].families))
    alone = effects.ceiling * expit(average)
    rows = []
    for place, pair in enumerate(design.pairs, start=1 + len(design.families)):
        effect = effects.ceiling * expit(average + drawn[:, place]) - alone
        synergy = float((effect > 0).mean())
        rows.append(
            {
                "names": list(pair),
                **_interval(effect),
                "n": sum(found.key.issuperset(pair) for found in measured),
                "p_synergy": synergy,
                "verdict": "synergy" if synergy >= SURE else "clash" if synergy <= 1 - SURE else "",
            }
        )
    return sorted(rows, key=lambda row: -row["mean"])


def _interval(effect: Floats) -> dict[str, float]:
    low, high = np.quantile(effect, [0.025, 0.975]).tolist()
    return {"mean": float(effect.mean()), "low": low, "high": high}


def _held_out(
    design: Design,
    effects: Effects,
    measured: Sequence[Candidate],
    holdout: Sequence[Candidate],
    left_out: Floats,
) -> dict[str, Any]:
    """Score the hold-out; one that was learned from is predicted by a fit without it."""
    others, accuracy = _measured(holdout)
    if others and len(others[0].families) != len(measured[0].families):
        raise InputError(
            f"the hold-out has {len(others[0].families)} families in a candidate, the campaign "
            f"{len(measured[0].families)}: give candidates of the same size"
        )
    unseen = {name for found in others for name in found.families} - set(design.families)
    predicted = effects.predict(design.columns(others))
    learned: dict[frozenset[str], list[float]] = {}
    for found, value in zip(measured, left_out, strict=True):
        learned.setdefault(found.key, []).append(float(value))
    for row, found in enumerate(others):
        if found.key in learned:
            predicted[row] = np.mean(learned[found.key])
    return {
        **_scores("holdout", accuracy, predicted),
        "unseen": sorted(unseen),
    }


def _scores(name: str, accuracy: Floats, predicted: Floats) -> dict[str, float | None]:
    """Return R^2 against the mean of these rows and Spearman; None where they have no spread."""
    found: dict[str, float | None] = {f"{name}_r2": None, f"{name}_spearman": None}
    if len(accuracy) > 1 and accuracy.min() < accuracy.max():
        left = float(((accuracy - predicted) ** 2).sum())
        found[f"{name}_r2"] = 1.0 - left / float(((accuracy - accuracy.mean()) ** 2).sum())
        if predicted.min() < predicted.max():
            found[f"{name}_spearman"] = float(spearmanr(accuracy, predicted).statistic)
    return found
