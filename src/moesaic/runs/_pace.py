"""How a search keeps within its budget, so that the final trainings get the greater part of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from moesaic.bank import Observation
from moesaic.config import SearchConfig
from moesaic.data import Dataset
from moesaic.runs._ask_and_tell import Portions
from moesaic.runs._how_many import MOST_EXPERTS
from moesaic.runs._progress import halving_work
from moesaic.runs._session import SearchSession

GENERALISTS_SHARE = 0.25  # of a budget, in which the lowest rung asks for more
_SEARCH_SHARE = 0.4  # of a budget, by which the specialists should be trained
_FIRST, _REST = 6, 4  # architectures asked for at once
_STEPS = 20  # between the rungs asked for and the shortest
_FEW_SAMPLES = 8192
_SMALL_BATCH = 64


def settle_batch(config: SearchConfig, dataset: Dataset) -> SearchConfig:
    """Return the settings with the batches that suit a budget.

    A budget often pays for few epochs, and few epochs of few samples are few steps: where fewer
    than 8,192 samples train, batches that nobody chose are halved to 64.
    """
    chosen = "batch_size" in config.recipe.model_fields_set
    if config.budget is None or chosen or len(dataset.train) >= _FEW_SAMPLES:
        return config
    recipe = config.recipe.model_copy(update={"batch_size": _SMALL_BATCH})
    return config.model_copy(update={"recipe": recipe})


def portions(session: SearchSession) -> Portions:
    """Return how many architectures are asked for at once: few under a budget.

    The clock is looked at between two portions only. All workers have something to do, and the
    first portion holds enough to choose K experts from. What an earlier process of the run did is
    recorded, since what a strategy asks for depends on it.
    """
    config, bank = session.config, session.bank
    known: list[int] | None = bank.meta("portions")
    if known is not None:
        return Portions(*known)
    whole = Portions.of(config.trials)
    if config.budget is None or bank.trials("rung-0"):
        return whole
    least = MOST_EXPERTS if config.experts == "auto" else config.experts
    workers = session.executor.capacity
    found = Portions(
        max(min(_FIRST, whole.first), least, workers), max(min(_REST, whole.rest), workers)
    )
    bank.set_meta("portions", [found.first, found.rest])
    return found


def rungs_of(session: SearchSession) -> tuple[int, ...]:
    """Return the epochs of the rungs: the settings', or what the budget pays for of them."""
    known: list[int] | None = session.bank.meta("rungs")
    return session.config.rungs if known is None else tuple(known)


def fit_rungs(session: SearchSession, lowest: Sequence[Observation], experts: int) -> None:
    """Shorten the rungs above the lowest where the budget would not pay for them.

    Promoted networks and specialists should be trained by 40 % of the budget, at the speed of the
    lowest rung. What the clock decides is recorded, so that a resumed run agrees.

    Args:
        session: the run.
        lowest: what the lowest rung measured.
        experts: K, or a guess while it is not chosen.
    """
    config, bank = session.config, session.bank
    if config.budget is None or bank.meta("rungs") is not None or bank.trials("rung-1"):
        return
    paid = sum(session.work(one.trial) for one in lowest)
    seconds = sum(one.seconds for one in lowest) / max(1e-9, paid)
    left = _SEARCH_SHARE * config.budget - (time.monotonic() - session.started)
    affordable = left / max(1e-9, seconds)
    rungs = config.rungs
    for step in range(_STEPS + 1):
        rungs = shortened(config.rungs, 1 - step / _STEPS)
        shared = halving_work(config, rungs, len(lowest), experts) / session.executor.capacity
        longest = 2 * rungs[-1] - rungs[0]  # a network promoted to the top, then a specialist
        if max(shared, longest) <= affordable:
            break
    bank.set_meta("rungs", list(rungs))


def shortened(rungs: Sequence[int], share: float) -> tuple[int, ...]:
    """Return rungs whose distances from the lowest are this share of theirs, an epoch at least.

    Args:
        rungs: epochs, ascending.
        share: 0 to 1.
    """
    found = [rungs[0]]
    for epochs in rungs[1:]:
        wanted = rungs[0] + int(share * (epochs - rungs[0]))
        found.append(max(found[-1] + 1, wanted))
    return tuple(found)
