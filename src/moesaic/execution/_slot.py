"""One place for one worker process, replaced when the worker dies; it keeps no queue of jobs."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from typing import Any

from pebble import ProcessPool

from moesaic.errors import RunFailed
from moesaic.execution._base import Job
from moesaic.execution._worker import perform_packed, prepare_worker


@dataclass(eq=False)
class Ticket:
    """One job under way: `number` tells its attempts apart, `started` that a worker began it."""

    job: Job
    packed: bytes
    number: int = 0
    attempts: int = 0
    started: bool = False
    since: float = 0.0

    @property
    def seconds(self) -> float:
        """Wall time since it was handed to a worker."""
        return time.monotonic() - self.since


class Slot:
    """A pool of exactly one worker.

    Why one pool a worker: workers of one pool share a pipe and its lock, so one that is killed
    while it holds them takes the others' jobs along. Here a death touches its own job only.
    Not thread-safe: the executor calls it under its lock, except for `renew` and `dispose`.
    """

    def __init__(
        self,
        context: BaseContext,
        initializer: Callable[..., None] | None,
        arguments: tuple[Any, ...],
    ) -> None:
        self.ticket: Ticket | None = None
        self.broken = False
        self._context = context
        self._reader, writer = context.Pipe(duplex=False)
        # Both ends stay open here: a replaced worker gets the same one.
        self._writer = writer
        self._prepare = (writer, initializer, arguments)
        self._worker: int | None = None
        self._numbers = 0
        self._pool = self._new_pool()

    @property
    def idle(self) -> bool:
        """Whether it can take a job now."""
        return self.ticket is None and not self.broken

    def run(self, ticket: Ticket, ended: Callable[[Future[bytes]], None]) -> bool:
        """Hand a job to the worker; False when the worker is gone and the slot must be renewed.

        Args:
            ticket: the job.
            ended: called with the future from a thread of the pool, or from this one.
        """
        self._numbers += 1
        ticket.number, ticket.started, ticket.since = self._numbers, False, time.monotonic()
        ticket.attempts += 1
        try:
            future = self._pool.schedule(
                perform_packed,
                args=(ticket.number, ticket.job.key, ticket.packed),
                timeout=ticket.job.timeout,
            )
        except RuntimeError:  # the pool broke while nothing was running
            self.broken = True
            return False
        self.ticket = ticket
        future.add_done_callback(ended)
        return True

    def lost(self) -> bool:
        """Whether the worker ended in a way the pool does not report.

        The pool takes exit status 0 for a retirement and starts the next worker without a word
        about the job: a worker that is born after the job was started shows it.
        """
        died = False
        while self._reader.poll():
            event, number = self._reader.recv()
            if event == "born":
                self._worker = number
                died = died or (self.ticket is not None and self.ticket.started)
            elif self.ticket is not None and self.ticket.number == number:
                self.ticket.started = True
        return died

    @property
    def alive(self) -> bool:
        """Whether the pool works; a broken one forgets what it was given."""
        return bool(self._pool.active)

    def renew(self) -> None:
        """Replace the pool and its worker, whatever state they are in."""
        self._end_pool()
        self._pool = self._new_pool()
        self.broken = False

    def stop(self) -> None:
        """Ask the worker to die at once, without waiting for it."""
        self._pool.stop()
        for child in multiprocessing.active_children():
            if child.pid is not None and child.pid == self._worker:
                child.kill()

    def dispose(self) -> None:
        """End the worker and its pool for good."""
        self._end_pool()
        self._reader.close()
        self._writer.close()

    def _new_pool(self) -> Any:  # pebble is only partly typed
        pool = ProcessPool(1, 0, prepare_worker, self._prepare, self._context)
        try:
            with _interrupts_held():
                # Asking for its state starts it: workers import while the coordinator prepares.
                _ = pool.active
        except BrokenProcessPool as error:
            raise RunFailed(f"cannot start a worker process: {error.__cause__}") from error
        except BaseException:  # a Ctrl-C that was held: a worker left to itself would complain
            _end(pool)
            raise
        return pool

    def _end_pool(self) -> None:
        self.stop()
        _end(self._pool)


def _end(pool: Any) -> None:
    pool.stop()
    with contextlib.suppress(RuntimeError):  # not even SIGKILL ended it: the kernel's now
        pool.join()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes with Ctrl-C blocked: they inherit it, so only the coordinator hears it.

    It hears it afterwards. A process whose start was interrupted half-way would be nobody's: the
    signal may reach another thread, where it is not blocked, so it is also held by its handler.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Python's tracker of shared resources lets Ctrl-C through again when it starts: start it first
    resource_tracker.ensure_running()
    heard: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    # handlers are Python's only where they are not None, and the main thread's to set
    ours = handler is not None and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if ours:
            signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)
