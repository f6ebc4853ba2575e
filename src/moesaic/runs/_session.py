"""One process at work on a run: hands trials to the executor and their results to the bank."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np

from moesaic.bank import Bank, Observation, Trial
from moesaic.config import AnyConfig, Recipe, SearchConfig, Taught
from moesaic.errors import DamagedRun, DiskFull, InputError, RunFailed, TooLarge
from moesaic.execution import Executor, Job, Outcome
from moesaic.mixture import training_passes
from moesaic.runs._folder import RunFolder
from moesaic.runs._needs import gpus_of_a_trial, trial_needs
from moesaic.runs._plan import to_observation, trial_to_dict
from moesaic.runs._progress import Estimate, Watcher
from moesaic.runs._work import run_trial


@dataclass
class Session(Generic[AnyConfig]):
    """What every stage of a run works with.

    Attributes:
        folder: the run's directory.
        config: its settings.
        bank: where results go.
        executor: where work goes.
        watcher: is told of progress.
        estimate: of the time left.
        started: `time.monotonic()` when this process began. What an earlier process spent of a
            budget does not count: what its clock allowed is then allowed again.
        work: says how much work a trial is, in the unit of the estimate.
        ended: is told of every trial that ended here and is in the bank.
    """

    folder: RunFolder
    config: AnyConfig
    bank: Bank
    executor: Executor
    watcher: Watcher
    estimate: Estimate = field(default_factory=Estimate)
    started: float = field(default_factory=time.monotonic)
    work: Callable[[Trial], float] = field(default_factory=lambda: work_of)
    ended: Callable[[Trial], None] = field(default=lambda trial: None)

    def perform(
        self,
        title: str,
        trials: Sequence[Trial],
        *,
        time_limit: Callable[[Trial], float | None] | None = None,
        memory: Callable[[Trial], int | None] | None = None,
        stop: Callable[[], bool] | None = None,
        some_must_succeed: bool = True,
    ) -> list[Observation | None]:
        """Run the trials that the bank does not hold yet.

        Args:
            title: what a person is told this stage is.
            trials: what to run; work that was done before is not done again.
            time_limit: seconds a trial may take; the setting's when not given.
            memory: bytes a trial is expected to need; asked of a cluster, not of this machine.
            stop: asked before a trial is handed out; once it says so the rest stays planned.
            some_must_succeed: whether a stage of nothing but failures ends the run.

        Returns:
            One observation a trial, in order; None for a trial that failed or was not begun.

        Raises:
            RunFailed: every trial failed.
        """
        self.bank.plan(trials)
        by_key = {trial.key: trial for trial in trials}
        waiting = {key: trial for key, trial in by_key.items() if self._is_open(key)}
        for key, trial in by_key.items():
            if key not in waiting:
                self.estimate.finish(self.work(trial), paid_now=False)
        self.watcher.stage(title, len(by_key))
        queue = deque(waiting.values())
        done = len(by_key) - len(waiting)

        def ended(trial: Trial, note: str, *, paid_now: bool) -> None:
            nonlocal done
            done += 1
            self.estimate.finish(self.work(trial), paid_now=paid_now)
            self.watcher.trial(title, done, len(by_key), self.seconds_left(), note)
            self.ended(trial)

        def hand_out(most: int) -> None:
            while most and queue and not (stop is not None and stop()):
                trial = queue.popleft()
                seconds = self.config.trial_timeout if time_limit is None else time_limit(trial)
                if self._hand_out(trial, seconds, None if memory is None else memory(trial)):
                    most -= 1
                else:
                    ended(trial, "failed: refused", paid_now=False)

        # two a worker, so that none waits; what is not handed out is still "planned" in the bank
        hand_out(2 * self.executor.capacity)
        for outcome in self.executor.results():
            hand_out(1)
            trial = waiting[outcome.key]
            if outcome.status == "done" and outcome.value is not None:
                note = self._record(trial, outcome.value)
            else:
                _raise_if_not_the_trials_fault(outcome)
                cause = outcome.cause or "error"
                self.bank.fail(trial.key, cause, outcome.message or "", outcome.traceback or "")
                note = f"failed: {cause}"
            ended(trial, note, paid_now=True)
        found = [self._found(trial) for trial in trials]
        failed = [self.bank.status(trial.key) == "failed" for trial in trials]
        if some_must_succeed and trials and all(failed):
            raise RunFailed(self._why_all_failed(title, trials))
        return found

    def _hand_out(self, trial: Trial, seconds: float | None, memory: int | None) -> bool:
        """Hand a trial to the executor; False where no machine has the memory that it asks for."""
        self.bank.start(trial.key)
        words = {"path": str(self.folder.path), "payload": trial_to_dict(trial)}
        job = self.job(trial.key, run_trial, words, self.needs(trial), seconds, memory)
        try:
            self.executor.submit(job)
        except TooLarge as error:
            self.bank.fail(trial.key, "refused", str(error), "")
            return False
        return True

    def call(
        self,
        title: str,
        function: Callable[..., Mapping[str, Any]],
        arguments: Sequence[Mapping[str, Any]],
        needs: Sequence[tuple[str, ...]] = (),
    ) -> list[dict[str, Any]]:
        """Run other work in the workers; its answers come in the order of `arguments`.

        Args:
            title: what a person is told this stage is.
            function: what to call; it works in the run directory, its argument `path`.
            arguments: of each call.
            needs: files of the run that each call reads, the data for training when not given.

        Raises:
            RunFailed: one of the calls failed.
        """
        return [
            _or_raise(title, outcome) for outcome in self._called(title, function, arguments, needs)
        ]

    def attempt(
        self,
        title: str,
        function: Callable[..., Mapping[str, Any]],
        arguments: Sequence[Mapping[str, Any]],
    ) -> list[dict[str, Any] | None]:
        """Run other work in the workers that may fail; None in the place of what did.

        Args:
            title: what a person is told this stage is.
            function: what to call; it works in the run directory, its argument `path`.
            arguments: of each call.
        """
        return [
            None if outcome.status != "done" or outcome.value is None else dict(outcome.value)
            for outcome in self._called(title, function, arguments)
        ]

    def _called(
        self,
        title: str,
        function: Callable[..., Mapping[str, Any]],
        arguments: Sequence[Mapping[str, Any]],
        needs: Sequence[tuple[str, ...]] = (),
    ) -> list[Outcome]:
        """Return what became of every call, in order."""
        self.watcher.stage(title, len(arguments))
        for index, words in enumerate(arguments):
            files = needs[index] if needs else self.needs()
            self.executor.submit(self.job(f"{title}-{index}", function, words, files, None))
        outcomes: dict[str, Outcome] = {}
        for outcome in self.executor.results():
            outcomes[outcome.key] = outcome
            self.watcher.trial(title, len(outcomes), len(arguments), None, "")
        return [outcomes[f"{title}-{index}"] for index in range(len(arguments))]

    def out_of_time(self, share: float = 1.0) -> bool:
        """Whether this share of the budget is spent; never without a budget."""
        budget = self.config.budget
        return budget is not None and time.monotonic() - self.started > share * budget

    def seconds_left(self) -> float | None:
        """Return an estimate of the seconds left; no more than what a budget has left, if any."""
        left = self.estimate.seconds_left()
        if left is None or self.config.budget is None:
            return left
        unspent = self.config.budget - (time.monotonic() - self.started)
        return min(left, unspent) if unspent > 0 else left

    def needs(self, trial: Trial | None = None) -> tuple[str, ...]:
        """Return the files of the run that training reads, the test split not among them.

        Args:
            trial: the weights it starts from are among them; None for work without a trial.
        """
        return trial_needs(self.folder, None if trial is None else trial.parent)

    def test_needs(self, trial: Trial) -> tuple[str, ...]:
        """Return the files of the run that the measurement of a finished trial reads."""
        return trial_needs(self.folder, trial.key, test=True)

    def job(
        self,
        key: str,
        function: Callable[..., Mapping[str, Any]],
        words: Mapping[str, Any],
        needs: tuple[str, ...],
        limit: float | None,
        memory: int | None = None,
    ) -> Job:
        """Return the job that calls a function in the directory of this run.

        Args:
            key: names it.
            function: what to call; it works in the run directory, its argument `path`.
            words: its arguments.
            needs: files of the run that it reads.
            limit: seconds it may take.
            memory: bytes it is expected to need, asked of a cluster; None to ask for none.
        """
        return Job(
            key,
            function,
            words,
            limit,
            self.folder.path,
            needs,
            gpus=gpus_of_a_trial(self.config),
            memory=memory,
        )

    def _is_open(self, key: str) -> bool:
        return self.bank.status(key) in ("planned", "running")

    def _record(self, trial: Trial, numbers: Mapping[str, Any]) -> str:
        observation = to_observation(trial, dict(numbers))
        self.bank.finish(observation, numbers["predictions"], numbers["checkpoint"])
        return f"loss {mean_loss(observation):.3f}"

    def _found(self, trial: Trial) -> Observation | None:
        done = self.bank.status(trial.key) == "done"
        return self.bank.observation(trial.key) if done else None

    def _why_all_failed(self, title: str, trials: Sequence[Trial]) -> str:
        keys = {trial.key for trial in trials}
        failure = next(f for f in self.bank.failures() if f.trial.key in keys)
        return (
            f"all {len(trials)} trials of '{title}' failed; the first by {failure.cause}: "
            f"{failure.message} (moesaic status lists them)"
        )


SearchSession = Session[SearchConfig]


def _raise_if_not_the_trials_fault(outcome: Outcome) -> None:
    """Stop the run for what the next trial would meet too; the trial can be run again later."""
    name, _, line = (outcome.message or "").partition(": ")
    for kind in (DamagedRun, DiskFull, InputError):
        if name == kind.__name__:
            raise kind(line)


def _or_raise(title: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.status != "done" or outcome.value is None:
        _raise_if_not_the_trials_fault(outcome)
        raise RunFailed(f"{title} failed ({outcome.cause}): {outcome.message}")
    return dict(outcome.value)


def work_of(trial: Trial) -> float:
    """Return the work of a trial in epochs of one network over the whole training split."""
    epochs = float(trial.recipe.get("epochs", 1))
    if trial.kind == "mixture" and "taught" in trial.payload:
        experts, top_k = len(trial.payload["experts"]), int(trial.payload.get("top_k") or 1)
        taught = Taught(**trial.payload["taught"])
        return training_passes(Recipe(**trial.recipe), taught, experts, top_k)
    if trial.subset is not None:
        return epochs * sum(trial.subset) / max(1, len(trial.subset))
    return epochs


def mean_loss(observation: Observation) -> float:
    """Return the mean of the cluster losses that were measured, in nats."""
    return float(np.nanmean(observation.loss))
