"""How long the final trainings take: until validation saturates, within the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from moesaic.bank import Observation
from moesaic.runs._session import SearchSession
from moesaic.runs._timing import final_epochs
from moesaic.runs._variants import Design, single_trial
from moesaic.seeds import derive_seed

FIRST_EPOCHS = 12
_LEAST_GAIN = 0.005


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
    nothing is compared, for that would cost the final trainings their time: they are as long as it
    pays for. The clock decides that, so it is recorded.

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
    if config.budget is not None:
        paid = final_epochs(session, design)
        session.bank.set_meta("epochs", paid)
        return paid
    seed = derive_seed(config.seed, "final", 0)
    ladder = [min(FIRST_EPOCHS, config.most_epochs)]
    while ladder[-1] * 2 <= config.most_epochs:
        ladder.append(ladder[-1] * 2)
    scores: dict[int, float] = {}
    chosen = ladder[0]
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
        chosen = saturated(scores)
        if chosen < max(scores):
            break
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
