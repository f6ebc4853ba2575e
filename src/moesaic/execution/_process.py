"""An executor over long-lived worker processes on this machine; it trains and stores nothing."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from pebble import ProcessExpired

from moesaic.errors import InputError
from moesaic.execution._base import Executor, Job, Outcome
from moesaic.execution._perform import failure, spoils_its_process, time_limit
from moesaic.execution._slot import Slot, Ticket
from moesaic.execution._worker import pack_job, unpack_outcome

_TICK = 0.2  # seconds between two looks at the workers
_ATTEMPTS = 3  # how often a job is handed out when a worker dies before it is seen to begin it


class ProcessExecutor(Executor):
    """Runs jobs in `workers` processes, each single-threaded and used again and again.

    A worker that dies or is stopped at its time limit is replaced; the others and the queue do
    not notice. Workers ignore Ctrl-C and end by themselves when the coordinator is gone. As with
    every use of `multiprocessing`, a script that makes one guards its main part with
    `if __name__ == "__main__":`.

    Args:
        workers: how many processes, the capacity.
        preload: modules the server that workers are forked from imports once, so that a new
            worker starts fast (name the module of the jobs' function); those that cannot be
            imported are left out. The first executor of a process decides.
        initializer: called in every new worker before its first job; importable.
        arguments: its arguments; sent to every new worker.

    Raises:
        InputError: fewer than one worker.
        RunFailed: the system refuses to start a process.
    """

    def __init__(
        self,
        workers: int = 2,
        preload: Sequence[str] = ("torch", "moesaic.execution"),
        initializer: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        if workers < 1:
            raise InputError(f"{workers} workers: expected 1 or more")
        self.capacity = workers
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if "forkserver" in methods:
            context.set_forkserver_preload(list(preload))
        # Guards all below; pool threads enter it through `_ended`.
        self._lock = threading.RLock()
        self._queued: deque[Ticket] = deque()
        self._under_way: dict[str, Ticket] = {}
        self._outcomes: queue.SimpleQueue[tuple[Ticket, Outcome]] = queue.SimpleQueue()
        self._closed = False
        self._slots: list[Slot] = []
        try:
            for _ in range(workers):
                self._slots.append(Slot(context, initializer, arguments))
        except BaseException:
            self.close(kill=True)
            raise

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        with self._lock:
            if self._closed:
                raise InputError(f"job '{job.key}' came after the executor was closed")
            if job.key in self._under_way:
                raise InputError(f"job '{job.key}' is under way already")
            try:
                packed = pack_job(job)
            except Exception as error:  # noqa: BLE001 - recorded as the job's result
                ticket = self._under_way[job.key] = Ticket(job, b"")
                text = f"the job cannot be sent to a worker: {error}"
                self._outcomes.put((ticket, failure(job.key, error, 0.0, text)))
                return
            ticket = self._under_way[job.key] = Ticket(job, packed)
            self._queued.append(ticket)
            self._dispatch()

    def results(self, timeout: float | None = None) -> Iterator[Outcome]:
        """See `Executor.results`."""
        last = time.monotonic()
        while self._under_way:
            self._look_after_workers()
            try:
                ticket, outcome = self._outcomes.get(timeout=_TICK)
            except queue.Empty:
                if timeout is not None and time.monotonic() - last >= timeout:
                    return
                continue
            if self._under_way.get(outcome.key) is not ticket:
                continue  # cancelled meanwhile
            del self._under_way[outcome.key]
            yield outcome
            last = time.monotonic()

    def cancel(self, key: str) -> None:
        """See `Executor.cancel`."""
        with self._lock:
            ticket = self._under_way.pop(key, None)
            if ticket is None:
                return
            if ticket in self._queued:
                self._queued.remove(ticket)
            for slot in self._slots:
                if slot.ticket is ticket:
                    slot.ticket, slot.broken = None, True
        self._look_after_workers()

    def close(self, kill: bool = False) -> None:
        """See `Executor.close`."""
        with self._lock:
            self._closed = True
            self._queued.clear()
        while not kill and any(slot.ticket for slot in self._slots):
            time.sleep(_TICK)
            self._look_after_workers()
        with self._lock:
            for slot in self._slots:
                slot.ticket = None
                slot.lost()  # learn which process to end
                slot.stop()
            slots, self._slots = self._slots, []
            self._under_way.clear()
        for slot in slots:
            slot.dispose()

    def _dispatch(self) -> None:
        for slot in self._slots:
            if self._queued and slot.idle and not self._closed:
                ticket = self._queued.popleft()
                if not slot.run(ticket, partial(self._ended, slot, ticket)):
                    self._lose(ticket, False, "its worker process could not be kept alive")

    def _ended(self, slot: Slot, ticket: Ticket, future: Future[bytes]) -> None:
        """Take a job's end from the pool, in a thread of the pool."""
        with self._lock:
            slot.lost()
            if slot.ticket is not ticket:
                return  # cancelled or given up meanwhile
            slot.ticket = None
            error = future.exception()
            if error is None:
                outcome = unpack_outcome(ticket.job.key, future.result(), ticket.seconds)
                slot.broken = slot.broken or spoils_its_process(outcome)
                self._outcomes.put((ticket, outcome))
            elif isinstance(error, TimeoutError):
                self._outcomes.put((ticket, time_limit(ticket.job, ticket.seconds)))
            else:
                slot.broken = True
                self._lose(ticket, isinstance(error, ProcessExpired), _how_it_died(error))
            self._dispatch()

    def _look_after_workers(self) -> None:
        """Find deaths that the pools do not report and replace what is broken."""
        with self._lock:
            for slot in self._slots:
                died = slot.lost()
                if slot.ticket is not None and (died or not slot.alive):
                    ticket, slot.ticket, slot.broken = slot.ticket, None, True
                    self._lose(ticket, died, "its worker process ended without a word")
            broken = [slot for slot in self._slots if slot.broken]
        for slot in broken:  # not under the lock: a pool's threads may be waiting for it
            slot.renew()
        if broken:
            with self._lock:
                self._dispatch()

    def _lose(self, ticket: Ticket, begun: bool, how: str) -> None:
        """Fail a job whose worker died; one that no worker had begun is queued again."""
        if begun or ticket.started or ticket.attempts >= _ATTEMPTS:
            outcome = Outcome(
                ticket.job.key,
                "failed",
                cause="worker_died",
                message=how,
                seconds=ticket.seconds,
            )
            self._outcomes.put((ticket, outcome))
        else:
            self._queued.appendleft(ticket)


def _how_it_died(error: BaseException) -> str:
    code = getattr(error, "exitcode", None)
    if code == -int(getattr(signal, "SIGKILL", 9)):
        return "its worker process was killed (SIGKILL; often the system had no memory left)"
    if code is not None and code < 0:
        return f"its worker process was killed by signal {-code}"
    return f"its worker process ended with status {'unknown' if code is None else code}"
