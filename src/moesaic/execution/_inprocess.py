"""An executor that runs jobs one by one in this process, for tests and debugging.

It cannot survive a job that kills the process.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from moesaic.errors import InputError
from moesaic.execution._base import Executor, Job, Outcome
from moesaic.execution._perform import perform, time_limit


class InProcessExecutor(Executor):
    """Runs a job when its outcome is asked for, so `results` never waits.

    Time limits work in the main thread of a system with interval timers (Linux, macOS); elsewhere
    a job runs as long as it likes.
    """

    capacity = 1

    def __init__(self) -> None:
        self._queued: dict[str, Job] = {}
        self._closed = False

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        if self._closed:
            raise InputError(f"job '{job.key}' came after the executor was closed")
        if job.key in self._queued:
            raise InputError(f"job '{job.key}' is under way already")
        self._queued[job.key] = job

    def results(self, timeout: float | None = None) -> Iterator[Outcome]:
        """See `Executor.results`."""
        while self._queued:
            job = next(iter(self._queued.values()))
            try:
                with _limit(job.timeout):
                    outcome = perform(job)
            except _TimeIsUp:
                outcome = time_limit(job, job.timeout or 0.0)
            del self._queued[job.key]
            yield outcome

    def cancel(self, key: str) -> None:
        """See `Executor.cancel`."""
        self._queued.pop(key, None)

    def close(self, kill: bool = False) -> None:
        """See `Executor.close`."""
        self._closed = True
        self._queued.clear()


class _TimeIsUp(BaseException):
    """Not an `Exception`, so that a job which catches those cannot outlive its limit."""


@contextmanager
def _limit(seconds: float | None) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()
    if seconds is None or not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
