"""The test split of a campaign, read once: the best mixtures and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moesaic.bank import Trial
from moesaic.config import CampaignConfig
from moesaic.runs._plan import trial_to_dict
from moesaic.runs._session import Session
from moesaic.runs._work import run_test
from moesaic.runs.campaign._found import Found
from moesaic.runs.campaign._rounds import leaders

TESTED = 3


def read_campaign_test(session: Session[CampaignConfig], found: Found) -> dict[str, dict[str, Any]]:
    """Measure the short list on the test split, each once; a resumed run reads the answers back.

    A campaign that was closed by its budget may go on with another: what is new in the list is
    measured then.

    Returns:
        trial key -> accuracy, macs and routing on the test split.
    """
    known: dict[str, dict[str, Any]] = session.bank.meta("test") or {}
    wanted = short_list(session, found)
    trials = [trial for trial in wanted if trial.key not in known]
    if not trials:
        return known
    words = [
        {"path": str(session.folder.path), "payload": trial_to_dict(trial)} for trial in trials
    ]
    function: Callable[..., dict[str, Any]] = run_test
    needs = [session.test_needs(trial) for trial in trials]
    answers = session.call("final measurement", function, words, needs)
    known |= {trial.key: answer for trial, answer in zip(trials, answers, strict=True)}
    session.bank.set_meta("test", known)
    return known


def short_list(session: Session[CampaignConfig], found: Found) -> list[Trial]:
    """Return the trials that are tested: the best mixtures, the best's families, the best alone."""
    best = leaders(found.candidates, TESTED)
    trials = [session.bank.trial(candidate.trial) for candidate in best]
    wanted = set(best[0].families)
    trials += [
        single.trial
        for single in found.singles
        if single.trial.architecture is not None and single.trial.architecture.family in wanted
    ]
    trials += [single.trial for single in (found.best_single, found.long) if single is not None]
    return list({trial.key: trial for trial in trials}.values())
