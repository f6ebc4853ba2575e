"""An executor over a Ray cluster, on this machine or on many; it trains and stores nothing."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import exceptions as faults
from ray.experimental import internal_kv
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from moesaic.errors import InputError, RunFailed
from moesaic.execution._base import Executor, Job, Outcome
from moesaic.execution._cluster import Cluster
from moesaic.execution._mirror import FileStamp, bring_home, stamps
from moesaic.execution._perform import failure, time_limit
from moesaic.execution._ray_worker import NAMESPACE, Errand, perform_errand, remove_mirrors
from moesaic.execution._worker import pack_job, unpack_outcome

_TICK = 0.2  # seconds between two looks at the time limits
_ATTEMPTS = 3  # how often a job is handed out when its node is lost before it began
_CLEAN_UP = 10.0  # seconds that the nodes have to remove their mirrors


@dataclass(eq=False)
class _Ticket:
    """One job under way: `mark` tells its attempts apart, `since` is when it was seen to run."""

    job: Job
    packed: bytes = b""
    mark: bytes = b""
    attempts: int = 0
    handed_out: float = 0.0
    since: float | None = None
    reference: Any = None  # ray.ObjectRef, untyped

    @property
    def seconds(self) -> float:
        """Wall time since it was seen to begin, or since it was handed out."""
        return time.monotonic() - (self.handed_out if self.since is None else self.since)


class RayExecutor(Executor):
    """Runs jobs as Ray tasks that ask for the CPUs, GPUs and memory of the job.

    No job is run twice: a task is never retried by Ray, and only a job that no worker had begun
    is handed out again when a node is lost. What jobs read of a folder is put into Ray's object
    store once for every version of a file and lies in a mirror on every node that needs it.

    Args:
        workers: jobs at once on a local Ray; a cluster that is joined has as many as CPUs.
        address: of the cluster to join, `host:port` or `auto`; None starts a local Ray, on the
            loopback only, when the first job comes.

    Raises:
        InputError: fewer than one worker, or no cluster at the address.
        RunFailed: from any method, when the cluster itself is gone.
    """

    def __init__(self, workers: int = 2, address: str | None = None) -> None:
        if workers < 1:
            raise InputError(f"{workers} workers: expected 1 or more")
        self._cluster = Cluster(workers, address)
        self.capacity = workers if address is None else self._cluster.cpus()
        self._name = secrets.token_hex(6)
        self._numbers = 0
        self._under_way: dict[str, _Ticket] = {}
        self._ready: deque[tuple[_Ticket, Outcome]] = deque()
        self._shipped: dict[tuple[Path, str], tuple[FileStamp, Any]] = {}
        self._mirrors: set[str] = set()
        self._nodes: set[str] = set()
        self._stopped: list[Any] = []  # references of what was cancelled and has not ended yet
        self._looked = 0.0
        self._closed = False

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        if self._closed:
            raise InputError(f"job '{job.key}' came after the executor was closed")
        if job.key in self._under_way:
            raise InputError(f"job '{job.key}' is under way already")
        self._cluster.connect()
        with _lost_cluster_is_clear():
            self._cluster.refuse_impossible(job)
        ticket = _Ticket(job)
        try:
            ticket.packed = pack_job(job)
        except Exception as error:  # noqa: BLE001 - recorded as the job's result
            text = f"the job cannot be sent to a worker: {error}"
            self._ready.append((ticket, failure(job.key, error, 0.0, text)))
        else:
            self._hand_out(ticket)
        self._under_way[job.key] = ticket

    def results(self, timeout: float | None = None) -> Iterator[Outcome]:
        """See `Executor.results`."""
        last = time.monotonic()
        while self._under_way:
            if not self._ready:
                self._look(_TICK)
            if not self._ready:
                if timeout is not None and time.monotonic() - last >= timeout:
                    return
                continue
            ticket, outcome = self._ready.popleft()
            if self._under_way.get(outcome.key) is not ticket:
                continue  # cancelled meanwhile
            del self._under_way[outcome.key]
            yield outcome
            last = time.monotonic()

    def cancel(self, key: str) -> None:
        """See `Executor.cancel`."""
        ticket = self._under_way.pop(key, None)
        if ticket is not None:
            self._stop(ticket)

    def close(self, kill: bool = False) -> None:
        """See `Executor.close`."""
        if self._closed:
            return
        self._closed = True
        try:
            # of a cluster that is gone there is nothing to end, and nobody left to tell
            with contextlib.suppress(faults.RayError, RunFailed):
                if self._cluster.connected:
                    self._end_jobs(kill)
                    self._clean_up()
        finally:
            self._under_way.clear()
            self._ready.clear()
            self._shipped.clear()
            local = self._cluster.local
            self._cluster.disconnect()
            if local:
                remove_mirrors(sorted(self._mirrors))

    def _hand_out(self, ticket: _Ticket) -> None:
        job, self._numbers = ticket.job, self._numbers + 1
        ticket.mark = f"{self._name}:{self._numbers}".encode()
        ticket.attempts += 1
        ticket.handed_out, ticket.since = time.monotonic(), None
        try:
            mirror, files, references = self._ship(job)
            errand = Errand(ticket.mark, job.key, ticket.packed, mirror, files)
            with _lost_cluster_is_clear():
                ticket.reference = _perform.options(
                    num_cpus=job.cpus,
                    num_gpus=job.gpus,
                    memory=job.memory,
                    max_retries=0,
                    scheduling_strategy="SPREAD",
                ).remote(errand, *references)
        except _CANNOT_BE_SENT as error:
            self._ready.append((ticket, failure(job.key, error, 0.0)))

    def _ship(self, job: Job) -> tuple[str | None, tuple[FileStamp, ...], list[Any]]:
        """Put the files a job needs into the object store, those that are not there yet."""
        if job.folder is None:
            return None, (), []
        folder = job.folder.resolve()
        files = stamps(folder, job.needs)
        references = []
        for stamp in files:
            known = self._shipped.get((folder, stamp.name))
            if known is None or known[0] != stamp:
                content = np.fromfile(folder / stamp.name, dtype=np.uint8)
                known = self._shipped[folder, stamp.name] = (stamp, ray.put(content))
            references.append(known[1])
        mirror = f"{self._name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        self._mirrors.add(mirror)
        return mirror, files, references

    def _look(self, patience: float) -> None:
        """Wait for one answer for a moment, then look at the time limits."""
        with _lost_cluster_is_clear():
            waiting = {
                ticket.reference: ticket
                for ticket in self._under_way.values()
                if ticket.reference is not None
            }
            if not waiting:
                return
            answered, _ = ray.wait(list(waiting), timeout=patience)
            for reference in answered:
                self._take(waiting[reference])
            if time.monotonic() - self._looked >= _TICK:
                self._stop_the_late()
                self._stop_again()
                self._looked = time.monotonic()

    def _take(self, ticket: _Ticket) -> None:
        """Turn the answer of a task, or its death, into the outcome of its job."""
        key, seconds = ticket.job.key, ticket.seconds
        try:
            packed, files, node = ray.get(ticket.reference)
        except faults.OutOfMemoryError:
            text = "Ray ended its worker process because the machine had no memory left"
            self._fail(ticket, "out_of_memory", text)
        except faults.TaskCancelledError:
            self._fail(ticket, "worker_died", "somebody else cancelled its task in Ray")
        except _DEATHS as error:
            self._lose(ticket, error)
        except faults.RayError as error:
            self._put(ticket, failure(key, error, seconds))
        else:
            self._nodes.add(node)
            outcome = unpack_outcome(key, packed, seconds)
            try:
                if ticket.job.folder is not None and outcome.status == "done":
                    bring_home(ticket.job.folder, files)
            except Exception as error:  # noqa: BLE001 - recorded as the job's result
                outcome = failure(key, error, outcome.seconds)
            self._put(ticket, outcome)

    def _lose(self, ticket: _Ticket, error: BaseException) -> None:
        """Fail a job whose worker died; one that no worker had begun is handed out again."""
        begun = self._begun_on(ticket) is not None
        if not begun and ticket.attempts < _ATTEMPTS and not self._closed:
            self._hand_out(ticket)
        elif isinstance(error, faults.WorkerCrashedError):
            text = "its worker process died (a crash, a kill, or a lost machine)"
            self._fail(ticket, "worker_died", text)
        else:
            text = f"the machine it ran on was lost ({type(error).__name__})"
            self._fail(ticket, "worker_died", text)

    def _fail(self, ticket: _Ticket, cause: str, text: str) -> None:
        outcome = Outcome(
            ticket.job.key, "failed", cause=cause, message=text, seconds=ticket.seconds
        )
        self._put(ticket, outcome)

    def _put(self, ticket: _Ticket, outcome: Outcome) -> None:
        ticket.reference = None
        internal_kv._internal_kv_del(ticket.mark, namespace=NAMESPACE)
        self._ready.append((ticket, outcome))

    def _stop_the_late(self) -> None:
        """End jobs that are over their time, without waiting for the word of their worker."""
        limited = [
            ticket
            for ticket in self._under_way.values()
            if ticket.job.timeout is not None and ticket.reference is not None
        ]
        if any(ticket.since is None for ticket in limited):
            begun = self._begun()
            for ticket in limited:
                if ticket.since is None and ticket.mark in begun:
                    ticket.since = time.monotonic()
        for ticket in limited:
            if ticket.since is not None and ticket.seconds > (ticket.job.timeout or 0.0):
                seconds = ticket.seconds
                self._stop(ticket)
                self._put(ticket, time_limit(ticket.job, seconds))

    def _stop(self, ticket: _Ticket) -> None:
        """Kill the worker of a job, or take it out of Ray's queue."""
        if ticket.reference is None:
            return
        with contextlib.suppress(faults.RayError):
            self._begun_on(ticket)  # its node has a mirror to be removed
            ray.cancel(ticket.reference, force=True)
            self._stopped.append(ticket.reference)

    def _stop_again(self) -> bool:
        """Cancel once more what Ray has not ended; return whether there is any.

        Ray loses a cancellation that meets a task on its way to the worker; the task would run on.
        """
        if not self._stopped:
            return False
        _, self._stopped = ray.wait(self._stopped, num_returns=len(self._stopped), timeout=0)
        for reference in self._stopped:
            ray.cancel(reference, force=True)
        return bool(self._stopped)

    def _begun(self) -> set[bytes]:
        """Return the marks of the jobs that began."""
        return set(internal_kv._internal_kv_list(f"{self._name}:", namespace=NAMESPACE))

    def _begun_on(self, ticket: _Ticket) -> str | None:
        """Return the node on which a job began, None when it did not."""
        found: bytes | None = internal_kv._internal_kv_get(ticket.mark, namespace=NAMESPACE)
        if found is None:
            return None
        self._nodes.add(found.decode())
        return found.decode()

    def _end_jobs(self, kill: bool) -> None:
        """Take what has not begun out of Ray's queue and wait for the rest, or kill it."""
        begun = self._begun()
        for key, ticket in list(self._under_way.items()):
            if kill or ticket.mark not in begun:
                self.cancel(key)
        while any(ticket.reference is not None for ticket in self._under_way.values()):
            self._look(_TICK)

    def _clean_up(self) -> None:
        """Leave nothing in a cluster that lives on: no marks and no mirrors."""
        if self._cluster.local:
            return
        end = time.monotonic() + _CLEAN_UP
        while self._stop_again() and time.monotonic() < end:
            time.sleep(_TICK)
        internal_kv._internal_kv_del(f"{self._name}:", del_by_prefix=True, namespace=NAMESPACE)
        if not self._mirrors:
            return
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        tasks = [
            _remove.options(
                num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(sorted(self._mirrors))
            for node in sorted(alive & self._nodes)
        ]
        if tasks:
            ray.wait(tasks, num_returns=len(tasks), timeout=_CLEAN_UP)


_perform = ray.remote(perform_errand)
_remove = ray.remote(remove_mirrors)
_NO_ROOM = (faults.ObjectStoreFullError, faults.OutOfDiskError)
# a ValueError: a GPU and a half, or what else Ray does not grant
_CANNOT_BE_SENT = (OSError, ValueError, InputError, *_NO_ROOM)
_DEATHS = (
    faults.WorkerCrashedError,
    faults.NodeDiedError,
    faults.LocalRayletDiedError,
    faults.ObjectLostError,
)


@contextlib.contextmanager
def _lost_cluster_is_clear() -> Iterator[None]:
    """Turn a fault of the connection itself into one clear line."""
    try:
        yield
    except _NO_ROOM:
        raise
    except faults.RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunFailed(
            f"the Ray cluster does not answer any more ({reason}): what was finished is kept, "
            "resume the run when the cluster is back"
        ) from error
