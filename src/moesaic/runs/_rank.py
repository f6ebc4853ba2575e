"""Ranking every mixture of K experts of a bank by stored predictions; it can train the best."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moesaic.bank import Bank
from moesaic.config import CampaignConfig, SearchConfig
from moesaic.errors import InputError
from moesaic.runs._folder import RunFolder, open_folder, saw_other_data
from moesaic.runs._members import Member, as_table, named, place_of, places_of, read_members
from moesaic.runs._progress import Watcher
from moesaic.runs.campaign import train_short_list
from moesaic.selection import Limits, Ranked, score_subsets

_EXPERTS = 4


def rank(
    path: str | Path,
    *,
    experts: int | None = None,
    score: str = "oracle",
    top: int = 20,
    max_macs: float | None = None,
    max_parameters: float | None = None,
    must_have: Sequence[str] = (),
    must_not: Sequence[str] = (),
    also: Sequence[str | Path] = (),
    train: int = 0,
    watcher: Watcher | None = None,
) -> dict[str, Any]:
    """Score every mixture of K experts of a run by arithmetic, and train the best where asked.

    Args:
        path: a run, finished or not.
        experts: K; the run's own by default.
        score: see `moesaic.selection.score_subsets`.
        top: how many of the best are returned.
        max_macs: most multiply-accumulates of one sample: the dearest experts that can run on it
            (all of them in a campaign of the preset moe4, else one).
        max_parameters: of all experts together.
        must_have: names of experts every mixture must hold.
        must_not: names, or families, no mixture may hold.
        also: other runs on the same data whose experts are taken in.
        train: how many of the best are trained jointly; campaigns only.
        watcher: is told of progress.

    Returns:
        `scored`, `seconds`, `best` (`members`, `score`, `low`, `high`, ...), and what was ranked.

    Raises:
        InputError: no run, too few experts with predictions, unknown names, limits nobody meets.
    """
    begun = time.perf_counter()
    folder = open_folder(path)
    config = folder.config()
    count = _experts(config) if experts is None else experts
    if count < 1:
        raise InputError(f"experts is {count}, expected 1 or more")
    for name, most in (("max_macs", max_macs), ("max_parameters", max_parameters)):
        if most is not None and not most > 0:
            raise InputError(f"{name} is {most:g}, expected a number above 0")
    if train and (not isinstance(config, CampaignConfig) or also or count != config.experts):
        raise InputError(
            "--train trains mixtures as a campaign did: give one campaign and its number of experts"
        )
    members = _gather(folder, [open_folder(other) for other in also])
    if len(members) < count:
        raise InputError(
            f"{len(members)} experts with predictions in {path} for mixtures of {count}: "
            "a campaign with --no-baselines keeps none; lower --experts or train more"
        )
    active = _active(config, count)
    limits = Limits(
        max_macs=max_macs,
        max_parameters=max_parameters,
        must_have=tuple(place_of(members, name) for name in must_have),
        must_not=tuple(sorted({row for name in must_not for row in places_of(members, name)})),
    )
    table = as_table(folder, members)
    if score == "gate" and table.embedding is None:
        raise InputError(f"the run in {path} kept no embeddings: choose another --score")
    found = score_subsets(
        table, count, score=score, limits=limits, active=active, top=top, seed=config.seed
    )
    best = [_ranked(members, one, active) for one in found.best]
    answer = {
        "run": str(folder.path),
        "score": score,
        "higher_is_better": found.higher_is_better,
        "experts": count,
        "members": [_described(member) for member in members],
        "scored": found.scored,
        "space": found.space,
        "exhaustive": found.exhaustive,
        "bound": found.bound,
        "seconds": time.perf_counter() - begun,
        "best": best,
    }
    if train:
        again = _command(
            folder,
            {
                "--experts": experts,
                "--score": score,
                "--top": top,
                "--max-macs": max_macs,
                "--max-parameters": max_parameters,
                "--must-have": must_have,
                "--must-not": must_not,
                "--train": len(best[:train]),
            },
        )
        answer["trained"] = _train(folder, best[:train], again, watcher)
    return answer


def _command(folder: RunFolder, options: Mapping[str, Any]) -> str:
    """Return the command that ranks and trains the same again; an option without a value is left.

    Args:
        folder: of the run.
        options: name -> a value, or several of an option that is repeatable.
    """
    words = ["moesaic", "rank", str(folder.path)]
    for name, given in options.items():
        values = [given] if isinstance(given, str | int | float) else list(given or ())
        for value in values:
            words += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def _experts(config: SearchConfig | CampaignConfig) -> int:
    return _EXPERTS if config.experts == "auto" else int(config.experts)


def _active(config: SearchConfig | CampaignConfig, count: int) -> int:
    """Return how many experts of a mixture run on one sample."""
    if not isinstance(config, CampaignConfig):
        return min(count, config.top_k)
    return min(count, config.top_k or (count if config.preset == "moe4" else 1))


def _gather(folder: RunFolder, others: Sequence[RunFolder]) -> list[Member]:
    """Read the experts of one run, and of others that saw the same data."""
    found: list[Member] = []
    seen = None
    for place in (folder, *others):
        config = place.config()
        with Bank.open(place.path, config.storage) as bank:
            own = (bank.meta("fingerprint"), list((bank.meta("data") or {}).get("classes", {})))
            if seen is not None and own != seen:
                raise saw_other_data(place, folder)
            seen = own
            known = {member.trial for member in found}
            found += [one for one in read_members(place, config, bank) if one.trial not in known]
    return named(found)


def _described(member: Member) -> dict[str, Any]:
    return {
        "name": member.name,
        "trial": member.trial,
        "macs": member.macs,
        "parameters": member.parameters,
        "loss": float(member.loss.mean(dtype=np.float64)),
        "accuracy": float(member.right.mean()),
    }


def _ranked(members: Sequence[Member], one: Ranked, active: int) -> dict[str, Any]:
    chosen = [members[row] for row in one.members]
    dearest = sorted((member.macs for member in chosen), reverse=True)[:active]
    return {
        "members": [member.name for member in chosen],
        "score": one.score,
        "low": one.low,
        "high": one.high,
        "raw": one.raw,
        "macs": sum(dearest),
        "parameters": sum(member.parameters for member in chosen),
        "trials": [member.trial for member in chosen],
    }


def _train(
    folder: RunFolder, best: Sequence[dict[str, Any]], again: str, watcher: Watcher | None
) -> list[dict[str, Any]]:
    """Train the best jointly and return what each of them reached on the validation split."""
    found = train_short_list(
        folder.path, [one["members"] for one in best], again=again, watcher=watcher
    )
    with Bank.open(folder.path, folder.config().storage) as bank:
        shares = np.asarray(bank.meta("validation_shares"))
    rows = []
    for one in found:
        measured = one.observation
        rows.append(
            {
                "members": list(one.families),
                "accuracy": None
                if measured is None
                else float(np.nan_to_num(measured.accuracy) @ shares),
                "macs": None if measured is None else measured.macs,
                "parameters": None if measured is None else measured.parameters,
                "seconds": None if measured is None else measured.seconds,
                "trial": None if measured is None else measured.trial.key,
            }
        )
    return rows
