"""Make one call and turn whatever happens into an outcome; it starts no processes."""

from __future__ import annotations

import time
import traceback

import torch

from moesaic.errors import TrialError
from moesaic.execution._base import Job, Outcome

# torch has no class of its own for host memory: these are its allocators' words.
_HOST_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough")
# nor for what CUDA's libraries say where its own allocator is not the one that asks
_DEVICE_MEMORY = ("CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
_NO_MEMORY = (*_HOST_MEMORY, *_DEVICE_MEMORY)


def perform(job: Job) -> Outcome:
    """Call the job's function here and now; every fault but an interrupt becomes an outcome."""
    begun = time.monotonic()
    try:
        value = job.function(**job.arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - recorded as the job's result
        return failure(job.key, error, time.monotonic() - begun)
    return Outcome(job.key, "done", value=value, seconds=time.monotonic() - begun)


def failure(key: str, error: BaseException, seconds: float, message: str = "") -> Outcome:
    """Return the outcome of a job that raised `error`."""
    return Outcome(
        key,
        "failed",
        cause=cause_of(error),
        message=message or _one_line(error),
        traceback="".join(traceback.format_exception(error)),
        seconds=seconds,
    )


def time_limit(job: Job, seconds: float) -> Outcome:
    """Return the outcome of a job that was stopped because its time was up."""
    text = f"stopped at its time limit of {job.timeout:g} s"
    return Outcome(job.key, "failed", cause="time_limit", message=text, seconds=seconds)


def cause_of(error: BaseException) -> str:
    """Name the cause of an exception, one of `moesaic.bank.CAUSES`."""
    if isinstance(error, TrialError):
        return error.cause
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "out_of_memory"
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY):
        return "out_of_memory"
    return "error"


def spoils_its_process(outcome: Outcome) -> bool:
    """Whether nothing can run any more where this was run: a GPU's fault stays with the process."""
    return outcome.cause == "error" and "CUDA error" in (outcome.message or "")


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    if isinstance(error, TrialError) and lines:
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
