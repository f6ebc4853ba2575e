"""What runs inside a worker process: its preparation and one job at a time; it decides nothing."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from moesaic.execution._base import Job, Outcome
from moesaic.execution._perform import failure, perform
from moesaic.execution._threads import keep_one_thread

# Set once by `prepare_worker`, which runs before any job of the process.
_reports: Connection | None = None
_fault = ""


def prepare_worker(
    reports: Connection, initializer: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    """Make this process a worker: tied to its coordinator, one thread, then `initializer`.

    A fault of the initializer is kept and becomes the outcome of every job sent here.

    Args:
        reports: where the worker says that it was born and which job it starts.
        initializer: called once with `arguments`, to load what the jobs share.
        arguments: the initializer's.
    """
    global _reports, _fault
    _reports = reports
    reports.send(("born", os.getpid()))
    threading.Thread(target=_end_with_coordinator, daemon=True).start()
    keep_one_thread()
    if initializer is not None:
        try:
            initializer(*arguments)
        except Exception:  # noqa: BLE001 - recorded as the outcome of the jobs sent here
            _fault = traceback.format_exc()


def perform_packed(number: int, key: str, packed: bytes) -> bytes:
    """Unpack a job, perform it and pack its outcome, whatever goes wrong on the way.

    Packing here and not in the pool: an exception or a value that cannot be sent must become an
    outcome, not the death of the worker. The bytes only ever pass through the pool's pipes.

    Args:
        number: the coordinator's number of this attempt.
        key: the job's key.
        packed: the pickled function, arguments and time limit.
    """
    if _reports is not None:
        _reports.send(("started", number))
    return pack_outcome(_fault_outcome(key) if _fault else unpack_and_perform(key, packed))


def pack_job(job: Job) -> bytes:
    """Pack what a worker needs of a job; raises whatever its arguments raise."""
    return pickle.dumps((job.function, dict(job.arguments), job.timeout))


def unpack_and_perform(key: str, packed: bytes, given: Mapping[str, Any] | None = None) -> Outcome:
    """Perform a packed job.

    Args:
        key: the job's key.
        packed: what `pack_job` made of it.
        given: arguments that only the worker knows; they replace those that were packed.
    """
    try:
        function, arguments, timeout = pickle.loads(packed)  # noqa: S301 - our own pipe
    except Exception as error:  # noqa: BLE001 - an import in the worker can fail in any way
        return failure(key, error, 0.0, f"the job cannot be unpacked in the worker: {error}")
    return perform(Job(key, function, {**arguments, **(given or {})}, timeout))


def pack_outcome(outcome: Outcome) -> bytes:
    """Pack an outcome; one that cannot be sent becomes a failure that says so."""
    try:
        return pickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001 - any class may refuse to be pickled in its own way
        text = f"the result cannot be sent back: {type(error).__name__}: {error}".splitlines()[0]
        return pickle.dumps(failure(outcome.key, error, outcome.seconds, text))


def unpack_outcome(key: str, packed: bytes, seconds: float) -> Outcome:
    """Unpack what `pack_outcome` made, in the coordinator.

    Args:
        key: the job's key.
        packed: from our own worker.
        seconds: how long the job ran, for when this fails.
    """
    try:
        outcome: Outcome = pickle.loads(packed)  # noqa: S301 - from our own worker's pipe
    except Exception as error:  # noqa: BLE001 - recorded as the job's result
        text = f"the result cannot be unpacked: {type(error).__name__}: {error}"
        return failure(key, error, seconds, text)
    return outcome


def _fault_outcome(key: str) -> Outcome:
    text = f"the worker could not be prepared: {_fault.strip().splitlines()[-1]}"
    return Outcome(key, "failed", cause="error", message=text, traceback=_fault)


def _end_with_coordinator() -> None:
    coordinator = multiprocessing.parent_process()
    if coordinator is not None:
        coordinator.join()
        os._exit(1)
