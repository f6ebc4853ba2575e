"""What a run tells whoever watches it; how it is shown is the watcher's affair."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from moesaic.config import SearchConfig
from moesaic.runs._sizing import MOST_SIZES

_LIKELY_EPOCHS = 24
_HOW_MANY = 8  # trainings as long as the final ones that finding K is likely to cost


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

    def seconds_left(self) -> float | None:
        """Return the estimate, or None while there is too little to go by."""
        if self.done <= 0:
            return None
        rate = (time.monotonic() - self.started) / self.done
        return max(0.0, (self.total - self.done - self.already) * rate)


def expected_work(config: SearchConfig, experts: int, epochs: int | None, domains: int) -> float:
    """Return the work of a whole search in epochs of one network over the training split.

    Args:
        config: the settings.
        experts: K, or a guess while it is not chosen.
        epochs: of the final trainings; None while they are not chosen.
        domains: how many are known; with two or more there is an oracle to train.
    """
    rungs = config.rungs
    work = float(config.trials * rungs[0])
    for level in range(1, len(rungs)):
        promoted = max(experts + 1, config.trials // config.eta**level)
        work += promoted * (rungs[level] - rungs[level - 1])
    work += (experts + 2) * rungs[-1]
    if config.priced:
        work += MOST_SIZES * rungs[-1]  # twice the epochs, on half of the compute
    chosen = epochs or (_LIKELY_EPOCHS if config.epochs == "auto" else int(config.epochs))
    if config.experts == "auto":
        work += _HOW_MANY * chosen
    if config.epochs == "auto":
        work += 3 * chosen
    return work + config.repeats * final_passes(config, experts, domains) * chosen


def final_passes(config: SearchConfig, experts: int, domains: int) -> int:
    """Return the work of one repeat of the final stage in full trainings of one network."""
    alone = 2  # the mixture and the single network
    if not config.baselines:
        return alone
    return alone + experts + 2 + (experts - 1) + (domains > 1)
