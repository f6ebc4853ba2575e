"""A read-only view of a run, finished or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from moesaic.bank import Bank
from moesaic.config import CampaignConfig, SearchConfig
from moesaic.errors import InputError
from moesaic.runs._folder import RunFolder, at_work, open_folder, read_result
from moesaic.runs.campaign import Candidate, account, leaders, read_candidates
from moesaic.strategies.planners import coverage

_STATUSES = ("planned", "running", "done", "failed")


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        folder: its directory.
        config: its settings.
    """

    folder: RunFolder
    config: SearchConfig | CampaignConfig

    def bank(self) -> Bank:
        """Open its bank; the caller closes it."""
        return Bank.open(self.folder.path, self.config.storage)

    def result(self) -> dict[str, Any]:
        """Return what `result.json` holds.

        Raises:
            InputError: the run is not finished.
        """
        return read_result(self.folder)

    def status(self) -> dict[str, Any]:
        """Return how far it is: stages in order, counts, failures, seconds spent.

        `at_work` is whether a process is at it. What was running when the last one was stopped
        counts as planned: it will be run again.
        """
        if not self.folder.started_file.exists() and not self.folder.result_file.exists():
            return {
                "run": str(self.folder.path),
                "status": "unfinished",
                "at_work": at_work(self.folder),
                "stages": [],
                "trials": {**dict.fromkeys(_STATUSES, 0), "causes": {}},
                "failures": [],
                "seconds": None,
            }
        with self.bank() as bank:
            active = at_work(self.folder)
            stages: dict[str, dict[str, int]] = {}
            for trial in bank.trials():
                counts = stages.setdefault(trial.stage, dict.fromkeys(_STATUSES, 0))
                counts[_now(bank.status(trial.key) or "planned", active)] += 1
            trials: dict[str, Any] = dict(bank.counts())
            if not active:
                trials["planned"] += trials["running"]
                trials["running"] = 0
            found = {
                "run": str(self.folder.path),
                "status": "done" if self.folder.result_file.exists() else "unfinished",
                "at_work": active,
                "stages": [{"stage": name, **counts} for name, counts in stages.items()],
                "trials": trials,
                "failures": [
                    {
                        "stage": failure.trial.stage,
                        "index": failure.trial.index,
                        "cause": failure.cause,
                        "message": failure.message,
                    }
                    for failure in bank.failures()
                ],
                "seconds": bank.meta("seconds"),
            }
            if isinstance(self.config, CampaignConfig):
                found |= _campaign_status(bank, self.config, active)
            return found

    def candidates(self) -> list[Candidate]:
        """Return the mixtures that a campaign planned so far, in the order of its plan.

        Raises:
            InputError: the run is no campaign.
        """
        if not isinstance(self.config, CampaignConfig):
            raise InputError(f"{self.folder.path} is a {self.config.kind}, expected a campaign")
        with self.bank() as bank:
            return read_candidates(bank)


def _now(status: str, active: bool) -> str:
    return "planned" if status == "running" and not active else status


def _campaign_status(bank: Bank, config: CampaignConfig, active: bool) -> dict[str, Any]:
    candidates, pool = read_candidates(bank), bank.meta("pool")
    if pool is None:
        return {}
    done = [candidate.families for candidate in candidates if candidate.status == "done"]
    best = leaders(candidates)
    busy = {one.trial for one in candidates if bank.status(one.trial) == "running"}
    mixtures = account(
        [replace(one, status="planned") if one.trial in busy else one for one in candidates]
    )
    if active:
        mixtures |= {"running": len(busy), "not_begun": mixtures["not_begun"] - len(busy)}
    return {
        "mixtures": mixtures,
        "coverage": coverage(done, pool, config.experts).to_dict(),
        "best": [{"families": list(c.families), "accuracy": c.accuracy} for c in best],
    }


def open_run(path: str | Path) -> Run:
    """Open the run in a directory for reading.

    Raises:
        InputError: there is no run.
    """
    folder = open_folder(path)
    return Run(folder, folder.config())
