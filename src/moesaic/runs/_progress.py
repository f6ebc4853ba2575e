"""What a run tells whoever watches it; how it is shown is the watcher's affair."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from moesaic.config import SearchConfig
from moesaic.mixture import training_passes
from moesaic.runs._sizing import MOST_SIZES

_LIKELY_EPOCHS = 24
_HOW_MANY = 10  # trainings as long as the final ones that finding K is likely to cost


@dataclass
class Watcher:
    """Does nothing with what it is told; subclass it to show progress."""

    def stage(self, title: str, trials: int) -> None:
        """A stage of `trials` trials begins."""

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        """A trial ended; `left` is the estimate of the seconds the whole run still takes."""

    def say(self, line: str) -> None:
        """One line a person may want to read."""

    def leaders(self, rows: Sequence[tuple[str, float]]) -> None:
        """The best mixtures so far, best first: their families and validation accuracy."""


@dataclass
class Estimate:
    """Estimates the time left from the work done so far.

    Attributes:
        total: work the whole run is expected to be, in epochs of one network.
        done: work done in this process.
        already: work an earlier process of the same run had done.
    """

    total: float = 0.0
    done: float = 0.0
    already: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def finish(self, work: float, paid_now: bool) -> None:
        """Count finished work."""
        if paid_now:
            self.done += work
        else:
            self.already += work

    def expect(self, rest: float) -> None:
        """Tell what work is still to come, whatever was expected before."""
        self.total = self.done + self.already + rest

    def seconds_left(self) -> float | None:
        """Return the estimate, or None while there is too little to go by."""
        if self.done <= 0:
            return None
        rate = (time.monotonic() - self.started) / self.done
        return max(0.0, (self.total - self.done - self.already) * rate)


def expected_work(config: SearchConfig, experts: int, domains: int) -> float:
    """Return the work of a whole search in epochs of one network over the training split.

    Args:
        config: the settings.
        experts: K, or a guess while it is not chosen.
        domains: how many are known; with two or more there is an oracle to train.
    """
    rungs = config.rungs
    work = config.trials * rungs[0] + halving_work(config, rungs, config.trials, experts)
    if config.priced:
        work += MOST_SIZES * rungs[-1]  # twice the epochs, on half of the compute
    chosen = _LIKELY_EPOCHS if config.epochs == "auto" else int(config.epochs)
    if config.experts == "auto":
        work += _HOW_MANY * chosen
    if config.epochs == "auto" and config.budget is None:
        work += 3 * chosen  # how long to train is compared
    return work + sum(final_passes(config, experts, chosen, domains))


def halving_work(config: SearchConfig, rungs: Sequence[int], lowest: int, experts: int) -> float:
    """Return the work of the promoted networks and of one round of specialists.

    Args:
        config: the settings.
        rungs: epochs of the rungs.
        lowest: how many networks the lowest rung trained.
        experts: K, or a guess while it is not chosen.

    Returns:
        The work in epochs of one network over the training split.
    """
    work = float((experts + 2) * rungs[-1])
    for level in range(1, len(rungs)):
        promoted = max(experts + 1, lowest // config.eta**level)
        work += promoted * (rungs[level] - rungs[level - 1])
    return work


def final_passes(
    config: SearchConfig, experts: int, epochs: int, domains: int, routed: float | None = None
) -> list[float]:
    """Return the work of every training of the final stage, in epochs of one network.

    Args:
        config: the settings.
        experts: K.
        epochs: of a final training.
        domains: how many are known; with two or more there is an oracle to train.
        routed: what an epoch of a mixture costs after the opening; `top_k` when not given.
    """
    after = float(min(config.top_k, experts)) if routed is None else routed
    mixture = training_passes(config.recipe.for_epochs(epochs), config.taught, experts, after)
    alone = float(epochs)
    passes = [mixture, alone]
    if config.baselines:
        passes.append(experts * alone)  # trained longer
        passes += [mixture] * (2 + (domains > 1))  # copies, random experts, the oracle
        passes += [alone] * (experts - 1)  # the further members of the ensemble
    return config.repeats * passes


def makespan(trainings: Sequence[float], workers: int) -> float:
    """Return how long trainings take on some workers, the longest handed out first.

    Args:
        trainings: how long each takes.
        workers: how many run at once.
    """
    busy = [0.0] * min(workers, max(1, len(trainings)))
    for training in sorted(trainings, reverse=True):
        heapq.heapreplace(busy, busy[0] + training)
    return max(busy)
