"""How long final trainings can be: steps of them are timed, the rest of a budget shared out."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from moesaic.config import Recipe, Taught
from moesaic.errors import Diverged
from moesaic.mixture import Mixture, taught_objective
from moesaic.runs._context import load_context
from moesaic.runs._plan import trial_from_dict, trial_to_dict
from moesaic.runs._progress import final_passes, makespan
from moesaic.runs._routing import routing_targets
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import Design, mixture_trial, single_trial
from moesaic.runs._work import build_trial
from moesaic.training import cross_entropy_objective, fit

_SHARE = 0.85  # of what is left; slower moments take the rest
_AFTER = 10.0  # seconds that measuring and the report are likely to take
_STEPS = 12
_WARM = 2  # steps that are not timed: kernels are made, memory is asked for


def time_epoch(path: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the `seconds` that an epoch of a trial takes, measured on some steps of it.

    A mixture is timed as it is after the opening epochs, every sample at its own expert.

    Args:
        path: of the run.
        payload: the trial, as a message; nothing of what is trained is kept.
    """
    trial, context = trial_from_dict(payload), load_context(path)
    recipe, train = Recipe(**trial.recipe).for_epochs(1), context.dataset.train
    number = min(len(train), _STEPS * recipe.batch_size)
    chosen = torch.arange(number) * len(train) // number  # of all sources, however they are joined
    some = train.take(chosen)
    network = build_trial(context, trial)
    if isinstance(network, Mixture):
        targets = routing_targets(context, trial.payload["routing"], train)[chosen.numpy()]
        objective = taught_objective(network, targets, recipe, Taught(opening=0.0), oracle=True)
    else:
        objective = cross_entropy_objective(network, recipe)
    started = 0.0
    for samples in (min(number, _WARM * recipe.batch_size), number):
        split = some.take(torch.arange(samples))
        started = time.monotonic()
        with suppress(Diverged):  # whether it trains is for the final training to tell
            fit(network, objective, split, context.normaliser, recipe, seed=trial.seed)
    return {"seconds": (time.monotonic() - started) * len(train) / number}


def final_epochs(session: SearchSession, design: Design) -> int:
    """Return the epochs that the rest of the budget pays for in the final stage; at least one.

    Some steps of the mixture, of the single network and of every expert are timed: what networks
    trained before took says little, the widths of these are their own. Where a timing fails, what
    is known has to do.

    Args:
        session: of a run with a budget.
        design: of the final stage.
    """
    config = session.config
    budget = config.budget or 0.0
    single = single_trial(design, 1, 0)
    alone = [
        replace(single, architecture=one) for one in dict.fromkeys([design.single, *design.experts])
    ]
    trials = [mixture_trial(design.for_epochs(1), design.experts, design.routing, 0), *alone]
    words = [{"path": str(session.folder.path), "payload": trial_to_dict(one)} for one in trials]
    answers = session.attempt("what an epoch takes", time_epoch, words)
    mixture, *others = [None if one is None else float(one["seconds"]) for one in answers]
    known = [seconds for seconds in others if seconds is not None]
    seconds = sum(known) / len(known) if known else _as_before(session)
    routed = float(config.top_k) if mixture is None else mixture / max(1e-9, seconds)
    left = _SHARE * (budget - (time.monotonic() - session.started)) - _AFTER

    def takes(epochs: int) -> float:
        passes = final_passes(config, design.count, epochs, design.domains, routed)
        return seconds * makespan(passes, session.executor.capacity)

    epochs = 1
    while epochs < config.most_epochs and takes(epochs + 1) <= left:
        epochs += 1
    return epochs


def _as_before(session: SearchSession) -> float:
    """Return what an epoch took of the networks trained so far, in seconds."""
    known = session.bank.observations(kind="expert")
    work = sum(session.work(one.trial) for one in known)
    return sum(one.seconds for one in known) / max(1e-9, work)
