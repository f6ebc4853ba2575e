"""The candidates of a campaign: which families, how far each one came; read from the bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from moesaic.bank import Bank, Trial

MIXTURES = "mixtures"
QUICK = "quick"
RETRY = "retry"
MOST_RETRIES = 2

State = Literal["planned", "done", "failed", "lost"]


@dataclass(frozen=True)
class Candidate:
    """A mixture that was planned.

    Attributes:
        index: its place in the plan.
        families: K names, in the order of the pool.
        status: `planned` (not begun), `done`, `failed`, or `lost` (begun, and nobody knows).
        accuracy: on the validation split; None unless done.
        quick: the same after the quick rung; None where there was none.
        full: whether it was trained, or tried, for all epochs.
        cause: why it failed, None unless failed.
        message: the same in words.
        trial: key of the last trial that was made for it.
        retries: how often it was tried again, with a smaller batch.
    """

    index: int
    families: tuple[str, ...]
    status: State
    accuracy: float | None
    quick: float | None
    full: bool
    cause: str | None
    message: str
    trial: str
    retries: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {
            "index": self.index,
            "families": list(self.families),
            "status": self.status,
            "accuracy": self.accuracy,
            "quick": self.quick,
            "full": self.full,
            "cause": self.cause,
            "message": self.message,
            "trial": self.trial,
            "retries": self.retries,
        }


def read_candidates(bank: Bank) -> list[Candidate]:
    """Return every candidate that was planned so far, in the order of the plan."""
    shares = bank.meta("validation_shares") or [1.0]
    failures = {failure.trial.key: failure for failure in bank.failures()}
    found: dict[int, list[list[Trial]]] = {}
    for rung, stage in enumerate((QUICK, MIXTURES)):
        for number in range(MOST_RETRIES + 1):
            for trial in bank.trials(stage=stage_of(stage, number)):
                found.setdefault(trial.index, [[], []])[rung].append(trial)
    return [_candidate(bank, index, found[index], failures, shares) for index in sorted(found)]


def _candidate(
    bank: Bank,
    index: int,
    rungs: Sequence[Sequence[Trial]],
    failures: dict[str, Any],
    shares: Sequence[float],
) -> Candidate:
    scores = [_accuracy(bank, trials, shares) for trials in rungs]
    quick, full = rungs
    last = full or quick
    trial = last[-1]
    status = bank.status(trial.key)
    failure = failures.get(trial.key)
    state: State = "lost"
    if status in ("done", "failed", "planned"):
        state = status
    return Candidate(
        index=index,
        families=families_of(trial),
        status=state,
        accuracy=scores[1] if full else scores[0],
        quick=scores[0],
        full=bool(full),
        cause=None if failure is None else failure.cause,
        message="" if failure is None else failure.message,
        trial=trial.key,
        retries=len(last) - 1,
    )


def _accuracy(bank: Bank, trials: Sequence[Trial], shares: Sequence[float]) -> float | None:
    for trial in reversed(trials):
        if bank.status(trial.key) == "done":
            found = bank.observation(trial.key)
            return float(np.nan_to_num(found.accuracy) @ np.asarray(shares))
    return None


def families_of(trial: Trial) -> tuple[str, ...]:
    """Return the families of a mixture trial, in the order of its experts."""
    return tuple(str(expert["family"]) for expert in trial.payload["experts"])


def stage_of(stage: str, retry: int) -> str:
    """Return the name of a stage's trials, or of their retries."""
    return stage if retry == 0 else f"{stage}-{RETRY}-{retry}"
