"""Putting the evidence of a campaign together: result.json and the model that is handed over."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from moesaic.bank import Observation, read_predictions
from moesaic.config import CampaignConfig
from moesaic.data import Dataset, Split
from moesaic.runs._context import load_splits
from moesaic.runs._evidence import paired_interval
from moesaic.runs._hand_over import hand_over
from moesaic.runs._session import Session
from moesaic.runs.campaign._candidates import Candidate
from moesaic.runs.campaign._found import Found
from moesaic.runs.campaign._rounds import leaders
from moesaic.runs.campaign._test import TESTED
from moesaic.strategies.planners import coverage

_BEST = 10


def assemble_campaign(
    session: Session[CampaignConfig], found: Found, test: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return what the campaign found and write the model that validation prefers."""
    bank, config = session.bank, session.config
    dataset = load_splits(str(session.folder.path))
    table = _table(session, found, test, dataset)
    judged = _verdict(table)
    members = table[judged["handed_over"]]["members"]
    model = {"variant": judged["handed_over"], "trial": members[0]}
    hand_over(session, bank.trial(members[0]), dataset, model)
    done = [c.families for c in found.candidates if c.status == "done"]
    return {
        "run": str(session.folder.path),
        "kind": "campaign",
        "status": "done",
        "verdict": judged,
        "trials": account(found.candidates),
        "coverage": coverage(done, found.pool, config.experts).to_dict(),
        "coverage_planned": coverage(
            [c.families for c in found.candidates], found.pool, config.experts
        ).to_dict(),
        "best": [_described(session, c, test, dataset) for c in leaders(found.candidates, _BEST)],
        "table": {
            name: {key: value for key, value in row.items() if key != "right"}
            for name, row in table.items()
        },
        "model": model,
        "test_accuracy": table[judged["handed_over"]]["test_accuracy"],
        "singles": [_single(session, single) for single in found.singles],
        "rungs": _rungs(found.candidates),
        "pool": list(found.pool),
        "candidates": [candidate.to_dict() for candidate in found.candidates],
        "families": _families(found),
        "structure": found.structure,
        "forecast": {"memory": found.correction.memory, "seconds": found.correction.seconds},
        "data": bank.meta("data"),
        "versions": bank.meta("versions"),
        "config": config.to_dict(),
        "cost": {
            "trainings": len(bank.observations()),
            "training_seconds": float(sum(o.seconds for o in bank.observations())),
            "peak_memory": max((o.peak_memory for o in bank.observations()), default=0),
        },
    }


def account(candidates: list[Candidate]) -> dict[str, Any]:
    """Account for every candidate: done, failed by cause, lost, and not begun.

    `planned` is all of them: it equals done + failed + lost + not_begun.
    """
    states = Counter(candidate.status for candidate in candidates)
    causes = Counter(c.cause for c in candidates if c.status == "failed" and c.cause)
    return {
        "planned": len(candidates),
        "done": states["done"],
        "failed": dict(sorted(causes.items())),
        "lost": states["lost"],
        "not_begun": states["planned"],
        "retried": sum(candidate.retries > 0 for candidate in candidates),
    }


def _rungs(candidates: list[Candidate]) -> dict[str, Any] | None:
    """Return the rank correlation between the quick rung and the full one, where both were run.

    Only the best of the quick rung were promoted, so it is a lower bound for all candidates.
    """
    both = [c for c in candidates if c.full and c.quick is not None and c.accuracy is not None]
    if not any(c.quick is not None for c in candidates):
        return None
    if len(both) < 3:
        return {"promoted": len(both), "spearman": None}
    first, second = [c.quick for c in both], [c.accuracy for c in both]
    return {"promoted": len(both), "spearman": float(stats.spearmanr(first, second).statistic)}


def _table(
    session: Session[CampaignConfig],
    found: Found,
    test: dict[str, dict[str, Any]],
    dataset: Dataset,
) -> dict[str, dict[str, Any]]:
    """Return one row a variant: accuracy on both splits, cost, right answers on test."""
    best = leaders(found.candidates, TESTED)
    rows: dict[str, dict[str, Any]] = {}
    names = ["mixture", *(f"mixture_{rank}" for rank in range(2, len(best) + 1))]
    for name, candidate in zip(names, best, strict=True):
        observation = session.bank.observation(candidate.trial)
        rows[name] = _row(session, [observation], candidate.families, test, dataset)
    family_of = {
        single.trial.architecture.family: single
        for single in found.singles
        if single.trial.architecture is not None
    }
    four = [family_of[name] for name in best[0].families if name in family_of]
    if len(four) == len(best[0].families):
        rows["ensemble"] = _row(session, four, best[0].families, test, dataset)
    for name, single in (("single", found.best_single), ("single_long", found.long)):
        if single is not None and single.trial.architecture is not None:
            family = (single.trial.architecture.family,)
            rows[name] = _row(session, [single], family, test, dataset)
    for row in rows.values():
        interval = paired_interval([rows["mixture"]["right"]], [row["right"]])
        row["mixture_ahead"] = interval._asdict()
    return rows


def _row(
    session: Session[CampaignConfig],
    members: list[Observation],
    families: tuple[str, ...],
    test: dict[str, dict[str, Any]],
    dataset: Dataset,
) -> dict[str, Any]:
    right = _right(session, members, dataset.test, "-test")
    return {
        "families": list(families),
        "members": [member.trial.key for member in members],
        "test_accuracy": float(right.mean()),
        "validation_accuracy": float(_right(session, members, dataset.validation, "").mean()),
        "macs_active": sum(int(test[member.trial.key]["macs"]) for member in members),
        "parameters": sum(member.parameters for member in members),
        "training_passes": sum(float(member.extra["passes"]) for member in members),
        "training_seconds": sum(member.seconds for member in members),
        "right": right,
    }


def _right(
    session: Session[CampaignConfig], members: list[Observation], split: Split, suffix: str
) -> NDArray[np.float64]:
    folder = session.folder.predictions
    probabilities = sum(
        np.exp(read_predictions(folder / f"{m.trial.key}{suffix}.npy").astype(np.float64))
        for m in members
    )
    right: NDArray[np.float64] = (
        np.asarray(probabilities).argmax(axis=1) == split.labels.numpy()
    ).astype(np.float64)
    return right


def _verdict(table: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Decide by validation what is handed over, and say by test what the best mixture is worth."""
    mixture = table["mixture"]
    rivals = [name for name in ("single", "single_long") if name in table]
    families = " + ".join(mixture["families"])
    accuracy = 100 * mixture["test_accuracy"]
    if not rivals:
        return {
            "worth": None,
            "handed_over": "mixture",
            "sentence": f"Best mixture: {families}, {accuracy:.1f} % on test; nothing was "
            "trained beside it.",
        }
    single = max(rivals, key=lambda name: float(table[name]["validation_accuracy"]))
    ahead = mixture["validation_accuracy"] > table[single]["validation_accuracy"]
    gain = table[single]["mixture_ahead"]
    points = (
        f"{100 * gain['mean']:+.1f} points (95 % interval {100 * gain['low']:+.1f} to "
        f"{100 * gain['high']:+.1f}) against {table[single]['families'][0]} alone, the best single "
        f"family{' at equal training compute' if single == 'single_long' else ''}"
    )
    worth = bool(gain["low"] > 0)
    doubt = " (no gain is proven)" if not worth and gain["mean"] > 0 else ""
    sentence = (
        f"A mixture of families {'is' if worth else 'is not'} worth it on this data{doubt}: "
        f"{families} reaches {accuracy:.1f} % on test, {points}."
    )
    return {
        "worth": worth,
        "handed_over": "mixture" if ahead else single,
        "single": single,
        "gain_test": gain,
        "sentence": sentence,
    }


def _described(
    session: Session[CampaignConfig],
    candidate: Candidate,
    test: dict[str, dict[str, Any]],
    dataset: Dataset,
) -> dict[str, Any]:
    observation = session.bank.observation(candidate.trial)
    right = None
    if candidate.trial in test:
        right = float(_right(session, [observation], dataset.test, "-test").mean())
    return {
        "families": list(candidate.families),
        "accuracy": candidate.accuracy,
        "test_accuracy": right,
        "macs_active": observation.macs,
        "parameters": observation.parameters,
        "seconds": observation.seconds,
        "router": observation.extra.get("router"),
        "trial": candidate.trial,
    }


def _single(session: Session[CampaignConfig], single: Observation) -> dict[str, Any]:
    shares = np.asarray(session.bank.meta("validation_shares"))
    architecture = single.trial.architecture
    return {
        "family": "" if architecture is None else architecture.family,
        "accuracy": float(np.nan_to_num(single.accuracy) @ shares),
        "macs": single.macs,
        "parameters": single.parameters,
        "seconds": single.seconds,
        "peak_memory": single.peak_memory,
    }


def _families(found: Found) -> list[dict[str, Any]]:
    """Return what is known of every family: cost, probe, and how its candidates fared."""
    rows = []
    for name in found.pool:
        probed = found.probes[name]
        within = [c for c in found.candidates if name in c.families]
        scores = [c.accuracy for c in within if c.status == "done" and c.accuracy is not None]
        rows.append(
            {
                "name": name,
                "macs": None if probed.demand is None else probed.demand.macs,
                "parameters": None if probed.demand is None else probed.demand.parameters,
                "probe": probed.cause or "done",
                "candidates": len(within),
                "done": len(scores),
                "mean_accuracy": float(np.mean(scores)) if scores else None,
            }
        )
    return rows
