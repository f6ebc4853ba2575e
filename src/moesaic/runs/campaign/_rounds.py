"""The loop of a campaign: plan a round, launch it, try again what may be tried again, tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import CampaignConfig
from moesaic.runs._session import Session
from moesaic.runs.campaign._candidates import (
    MIXTURES,
    MOST_RETRIES,
    QUICK,
    Candidate,
    families_of,
    read_candidates,
)
from moesaic.runs.campaign._design import Design, mixture_trial, smaller_batch
from moesaic.runs.campaign._forecast import Correction, Forecast, forecast, time_limit
from moesaic.runs.campaign._limits import Verdict, as_planned, judge, refuse
from moesaic.runs.campaign._probe import PROBE_LIMIT, Probed
from moesaic.runs.campaign._ranking import hand_over_ranking
from moesaic.strategies.planners import RankedPlanner, Told, get_planner

_LEADERS = 5
_SHARE = 0.85  # of the budget; the final table needs the rest
ROUND = 12  # candidates between two looks of a planner that learns
_CLOSED = "closed"


@dataclass(frozen=True)
class Loop:
    """What every round works with.

    Attributes:
        session: the run.
        design: of the campaign.
        probes: what the families cost, by name.
        correction: of their forecasts.
        losses: loss (M,) of the families trained alone, by name.
        samples: of the training split.
    """

    session: Session[CampaignConfig]
    design: Design
    probes: Mapping[str, Probed]
    correction: Correction
    losses: Mapping[str, NDArray[np.float64]]
    samples: int

    def need(self, trial: Trial, batch_size: int | None = None) -> Forecast | None:
        """Forecast a trial, at another batch size where one is given."""
        return forecast(
            self._families(trial),
            self.probes,
            batch_size=batch_size or int(trial.recipe["batch_size"]),
            epochs=int(trial.recipe["epochs"]),
            samples=self.samples,
            correction=self.correction,
        )

    def seconds(self, trial: Trial) -> float:
        """Return the expected seconds of a trial, one where nothing is known."""
        told = self.need(trial)
        return told.seconds if told is not None and told.seconds else 1.0

    def memory(self, trial: Trial) -> int | None:
        """Return the bytes a trial is expected to need, None where nothing is known."""
        told = self.need(trial)
        return None if told is None else told.memory

    def limit(self, trial: Trial) -> float:
        """Return the seconds a trial may take.

        A family that did not get through three batches in its probe will not get through a
        training: its trials are given no more than the probe had.
        """
        limit = self.session.config.trial_timeout or time_limit(self.need(trial))
        if any(self.probes[name].cause == "time_limit" for name in self._families(trial)):
            return min(limit, PROBE_LIMIT)
        return limit

    def _families(self, trial: Trial) -> Sequence[str]:
        if trial.kind == "mixture":
            return families_of(trial)
        return [] if trial.architecture is None else [trial.architecture.family]


def run_rounds(loop: Loop) -> list[Candidate]:
    """Train the candidates, round after round, until all were or the budget is spent.

    Returns:
        Every candidate that was planned.
    """
    config = loop.session.config
    planner = get_planner(config.planner, loop.design.pool, config.experts, config.seed)
    if isinstance(planner, RankedPlanner):
        hand_over_ranking(loop.session, planner)
    size = ROUND if planner.learns else config.candidates
    stage = MIXTURES if config.quick_epochs is None else QUICK
    epochs = config.quick_epochs or config.epochs
    planned: list[tuple[str, ...]] = []
    while len(planned) < config.candidates:
        known = read_candidates(loop.session.bank)[: len(planned)]
        told = [Told(c.families, c.quick if stage == QUICK else c.accuracy) for c in known]
        found = planner.next(min(size, config.candidates - len(planned)), told)
        if not found:
            break
        trials = [
            mixture_trial(loop.design, families, stage, len(planned) + offset, epochs, loop.losses)
            for offset, families in enumerate(found)
        ]
        planned += found
        first, last = trials[0].index + 1, trials[-1].index + 1
        launch(loop, f"mixtures {first} to {last}", trials)
        if is_closed(loop):
            break
    if config.quick_epochs is not None and not is_closed(loop):
        _promote(loop)
    return read_candidates(loop.session.bank)


def _promote(loop: Loop) -> None:
    """Train the best of the quick rung again, from scratch, for all epochs."""
    config = loop.session.config
    done = [c for c in read_candidates(loop.session.bank) if c.quick is not None]
    done.sort(key=lambda candidate: (-(candidate.quick or 0.0), candidate.index))
    chosen = done[: max(1, round(config.promote * len(done)))] if done else []
    trials = [
        mixture_trial(loop.design, c.families, MIXTURES, c.index, config.epochs, loop.losses)
        for c in chosen
    ]
    if trials:
        launch(loop, "promoted mixtures", trials)


def launch(
    loop: Loop, title: str, planned: Sequence[Trial], *, closes: bool = True
) -> list[Observation | None]:
    """Run trials, refused and reshaped ones on record, and try again what ran out of memory.

    Args:
        loop: what rounds work with.
        title: of the stage, for a person.
        planned: the trials, of one stage.
        closes: whether a budget that is spent ends them.

    Returns:
        What each measured, where need be in a retry; None for one that failed or was not begun.
    """
    session, config = loop.session, loop.session.config
    # what an earlier process judged stands, whatever the limit is now
    known = {
        (one.stage, one.index): one
        for stage in {trial.stage for trial in planned}
        for one in session.bank.trials(stage)
    }
    verdicts = []
    for trial in planned:
        before = known.get((trial.stage, trial.index))
        verdict = judge(config, trial, loop.need)
        if before is not None and as_planned(before).key == trial.key:
            refused = verdict.refused if verdict.trial.key == before.key else None
            verdict = Verdict(before, refused)
        verdicts.append(verdict)
    session.bank.plan([verdict.trial for verdict in verdicts])
    refuse(session.bank, verdicts)
    trials = [verdict.trial for verdict in verdicts]
    measured: dict[int, Observation] = {}
    for number in range(1, MOST_RETRIES + 2):
        found = session.perform(
            title,
            trials,
            time_limit=loop.limit,
            memory=loop.memory,
            stop=(lambda: _stop(loop)) if closes else None,
            some_must_succeed=False,
        )
        measured |= {t.index: o for t, o in zip(trials, found, strict=True) if o is not None}
        if config.retry_policy == "none" or number > MOST_RETRIES:
            break
        causes = {failure.trial.key: failure.cause for failure in session.bank.failures()}
        trials = [
            smaller_batch(trial, number)
            for trial in trials
            if causes.get(trial.key) == "out_of_memory" and int(trial.recipe["batch_size"]) > 2
        ]
        if not trials:
            break
        title = f"again with half the batch ({len(trials)})"
    return [measured.get(trial.index) for trial in planned]


def _stop(loop: Loop) -> bool:
    """Close the campaign once its budget is spent; recorded, so that a resumed run agrees."""
    if is_closed(loop):
        return True
    if not loop.session.out_of_time(_SHARE):
        return False
    bank = loop.session.bank
    if len(bank.trials(kind="mixture", status="planned")) == len(bank.trials(kind="mixture")):
        return False  # a budget that is spent before the first mixture still pays for one
    bank.set_meta(_CLOSED, True)
    return True


def is_closed(loop: Loop) -> bool:
    """Whether the budget ended the campaign."""
    return loop.session.config.budget is not None and bool(loop.session.bank.meta(_CLOSED))


def leaders(candidates: Sequence[Candidate], count: int = _LEADERS) -> list[Candidate]:
    """Return the best finished candidates by validation accuracy, best first.

    Where some were trained for all epochs, those that ended at the quick rung do not compare.
    """
    done = [c for c in candidates if c.status == "done" and c.accuracy is not None]
    done = [c for c in done if c.full] or done
    done.sort(key=lambda candidate: (-(candidate.accuracy or 0.0), candidate.index))
    return done[:count]
