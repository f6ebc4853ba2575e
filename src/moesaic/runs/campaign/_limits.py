"""Before launch: a mixture whose predicted memory is over the limit is reshaped, or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from moesaic.bank import Bank, Trial
from moesaic.config import CampaignConfig
from moesaic.runs.campaign._forecast import Forecast, batch_sizes, fitting_batch

Need = Callable[[Trial, int], Forecast | None]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a planned trial: the trial to run, or why there is none."""

    trial: Trial
    refused: str | None


def judge(config: CampaignConfig, trial: Trial, need: Need) -> Verdict:
    """Decide whether a trial may be launched as it is, with a smaller batch, or not at all.

    Args:
        config: gives the memory limit and the retry policy.
        trial: a mixture, as planned.
        need: forecasts a trial at a batch size; None where it cannot.
    """
    limit, first = config.max_memory, int(trial.recipe["batch_size"])
    if limit is None:
        return Verdict(trial, None)
    sizes = batch_sizes(first) if config.retry_policy == "smaller_batch" else [first]
    told = {size: need(trial, size) for size in sizes}
    known = {size: found.memory for size, found in told.items() if found is not None}
    if not known:  # a family could not be probed: its trial says why
        return Verdict(trial, None)
    size = fitting_batch(known, limit)
    if size == first:
        return Verdict(trial, None)
    if size is None:
        least = min(known.values())
        return Verdict(
            trial,
            f"predicted to need {least / 2**20:.0f} MiB at a batch of {min(known)}, "
            f"over the limit of {limit / 2**20:.0f} MiB: raise --max-memory",
        )
    reshaped = replace(
        trial,
        recipe={**trial.recipe, "batch_size": size},
        payload={**trial.payload, "reshaped_from": first},
    )
    return Verdict(reshaped, None)


def as_planned(trial: Trial) -> Trial:
    """Return a trial as it was before it was reshaped; one that was not stays as it is."""
    payload = dict(trial.payload)
    first = payload.pop("reshaped_from", None)
    if first is None:
        return trial
    return replace(trial, recipe={**trial.recipe, "batch_size": first}, payload=payload)


def refuse(bank: Bank, verdicts: list[Verdict]) -> None:
    """Record what was refused as failed trials with their cause."""
    for verdict in verdicts:
        if verdict.refused is not None and bank.status(verdict.trial.key) == "planned":
            bank.fail(verdict.trial.key, "refused", verdict.refused, "")
