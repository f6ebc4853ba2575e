"""How long the final trainings take: until validation saturates, within the budget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from moesaic.bank import Observation
from moesaic.runs._progress import final_passes
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import Design, single_trial
from moesaic.seeds import derive_seed

_FIRST_EPOCHS = 12
_LEAST_GAIN = 0.005
_SHARE = 0.7


def validation_accuracy(observation: Observation, shares: Sequence[float]) -> float:
    """Return the accuracy over the validation split from the accuracy of its clusters.

    Args:
        observation: gives the accuracy (M,) of the clusters.
        shares: of the validation samples in every cluster, (M,).
    """
    return float(np.nan_to_num(observation.accuracy) @ np.asarray(shares))


def choose_epochs(session: SearchSession, design: Design, shares: Sequence[float]) -> int:
    """Return the epochs at which the best single network is saturated, by validation.

    The epochs double from 12 until another doubling gains less than half a point. Under a budget
    they are cut to what the final stage can afford; the clock decides that, so it is recorded.
    Where that is no more than the first 12 to begin with, nothing is compared: it would only cost
    the final trainings their time.

    Args:
        session: the run.
        design: of the final stage.
        shares: of the validation samples in every cluster, (M,).
    """
    config = session.config
    if config.epochs != "auto":
        return int(config.epochs)
    known: int | None = session.bank.meta("epochs")
    if known is not None:
        return known
    seed = derive_seed(config.seed, "final", 0)
    ladder = [min(_FIRST_EPOCHS, config.most_epochs)]
    while ladder[-1] * 2 <= config.most_epochs:
        ladder.append(ladder[-1] * 2)
    affordable = _affordable(session, design, _seconds_per_epoch(session))
    if affordable <= ladder[0] and config.budget is not None:
        session.bank.set_meta("epochs", affordable)
        return affordable
    scores: dict[int, float] = {}
    chosen, seconds = ladder[0], 0.0
    # two at a time: both workers are busy, and which two does not depend on their number
    for steps in (ladder[:2], *([step] for step in ladder[2:])):
        trials = [
            replace(single_trial(design, epochs, seed), stage="saturation", index=epochs)
            for epochs in steps
        ]
        title, first = "how long to train", not scores
        done = session.perform(title, trials, some_must_succeed=first)
        for epochs, found in zip(steps, done, strict=True):
            if found is not None:
                scores[epochs] = validation_accuracy(found, shares)
                seconds = found.seconds / epochs
        chosen = saturated(scores)
        if chosen < max(scores) or session.out_of_time(0.4):
            break
    chosen = min(chosen, _affordable(session, design, seconds))
    session.bank.set_meta("saturation", {str(epochs): score for epochs, score in scores.items()})
    session.bank.set_meta("epochs", chosen)
    return chosen


def saturated(scores: dict[int, float]) -> int:
    """Return the fewest epochs whose doubling gained less than half a point, else the most.

    Args:
        scores: validation accuracy by epochs.
    """
    return next(
        (
            epochs
            for epochs, longer in pairwise(sorted(scores))
            if scores[longer] - scores[epochs] < _LEAST_GAIN
        ),
        max(scores),
    )


def _seconds_per_epoch(session: SearchSession) -> float:
    """Return what an epoch of the slowest network so far took, 0 where none was trained."""
    known = session.bank.observations(kind="expert")
    whole = [one for one in known if one.trial.subset is None]
    return max((one.seconds / int(one.trial.recipe["epochs"]) for one in whole), default=0.0)


def _affordable(session: SearchSession, design: Design, seconds: float) -> int:
    """Return the epochs the rest of the budget pays for in the final stage; at least one."""
    config = session.config
    if config.budget is None or seconds <= 0:
        return config.most_epochs
    # all workers at once are slower than the ladder's last step was, and the report comes after
    left = _SHARE * (config.budget - (time.monotonic() - session.started))
    passes = config.repeats * final_passes(config, design.count, design.domains)
    return max(1, int(left * config.workers / (seconds * passes)))
