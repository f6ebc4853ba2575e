"""How a person watches a run: a live bar on a terminal, plain lines elsewhere, on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from moesaic.cli._output import duration, tell
from moesaic.runs import Watcher

_EVERY = 5.0


@contextmanager
def watching(quiet: bool) -> Iterator[Watcher]:
    """Give the watcher that fits: silent, live on a terminal, plain lines elsewhere."""
    if quiet:
        yield Watcher()
    elif sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        with LiveWatcher(Console(stderr=True)) as live:
            yield live
    else:
        yield PlainWatcher()


class PlainWatcher(Watcher):
    """A line when a stage begins, then one every few seconds.

    Args:
        clock: seconds since some instant.
        every: least seconds between two lines on trials.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, every: float = _EVERY) -> None:
        self._clock = clock
        self._every = every
        self._spoke = -every
        self._best: tuple[str, float] | None = None

    def stage(self, title: str, trials: int) -> None:
        """Say that a stage begins."""
        tell(f"{title} ({trials} {'trial' if trials == 1 else 'trials'})")
        self._spoke = self._clock()

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        """Say how far a stage is, unless something was said just now."""
        now = self._clock()
        if now - self._spoke < self._every:
            return
        self._spoke = now
        tell(
            ", ".join(
                part for part in (f"{title}: {done} of {trials}", note, time_left(left)) if part
            )
        )

    def leaders(self, rows: Sequence[tuple[str, float]]) -> None:
        """Say which mixture is the best when another one has become that."""
        if rows[0] != self._best:
            self._best = rows[0]
            tell(f"best so far: {rows[0][0]}, {100 * rows[0][1]:.1f} % on validation")

    def say(self, line: str) -> None:
        """Say it."""
        tell(line)


class LiveWatcher(Watcher):
    """A bar for every stage, with the time the whole run still takes.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._live = Live(self._progress, console=console, refresh_per_second=4)
        self._task: TaskID | None = None

    def __enter__(self) -> LiveWatcher:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish(complete=False)
        self._live.stop()

    def stage(self, title: str, trials: int) -> None:
        """Begin a bar; the one before is full."""
        self._finish(complete=True)
        self._task = self._progress.add_task(escape(title), total=trials, left="")

    def trial(self, title: str, done: int, trials: int, left: float | None, note: str) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(
                self._task, completed=done, total=trials, left=escape(time_left(left))
            )
        if note.startswith("failed"):
            self.say(f"{title}: {note}")

    def say(self, line: str) -> None:
        """Print it above the bars."""
        self._progress.console.print(line, markup=False, highlight=False)

    def leaders(self, rows: Sequence[tuple[str, float]]) -> None:
        """Show the best mixtures so far under the bars."""
        listed = Table.grid(padding=(0, 2))
        for families, accuracy in rows:
            listed.add_row(f"  {100 * accuracy:.1f} %", Text(families))
        self._live.update(Group(self._progress, listed))

    def _finish(self, complete: bool) -> None:
        """Stop the clock of the last bar; a stage whose trials were all done before is full."""
        if self._task is None:
            return
        if complete:
            total = self._progress.tasks[self._task].total
            self._progress.update(self._task, completed=total)
        self._progress.update(self._task, left="")
        self._progress.stop_task(self._task)


def time_left(seconds: float | None) -> str:
    """Return an estimate in words, coarse as it is; nothing while there is none."""
    if seconds is None:
        return ""
    step = 10 if seconds < 120 else 60
    return f"about {duration(max(step, round(seconds / step) * step))} left"
