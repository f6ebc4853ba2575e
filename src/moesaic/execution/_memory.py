"""How much memory one job needed at its highest, on the GPU where it used one; no limits."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass
class PeakMemory:
    """Filled in when the context ends: `bytes` grown above the start, 0 when not measured."""

    bytes: int = 0


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measure by how many bytes the resident memory of this process grows at its highest.

    The system's high-water mark counts from the start of the process, so it is reset first; that
    works on Linux, elsewhere the answer is 0. Where the job used a GPU it is what torch allocated
    there, for that is what such a job runs out of. One measurement at a time in a process.
    """
    peak = PeakMemory()
    _release_free_memory()
    before = _cleared(_cuda())
    start = _resident("VmRSS") if _reset() else None
    try:
        yield peak
    finally:
        highest, cuda = _resident("VmHWM"), _cuda()
        if cuda is not None:
            every = range(cuda.device_count())
            peak.bytes = max(0, sum(cuda.max_memory_allocated(one) for one in every) - before)
        elif start is not None and highest is not None:
            peak.bytes = max(0, highest - start)


def _cuda() -> Any | None:
    """Return torch's module where this process has used a GPU, else None; it wakes none."""
    torch = sys.modules.get("torch")
    cuda = None if torch is None else torch.cuda
    return cuda if cuda is not None and cuda.is_available() and cuda.is_initialized() else None


def _cleared(cuda: Any | None) -> int:
    """Give back what the last job left cached on the GPUs; return the bytes still allocated."""
    if cuda is None:
        return 0
    cuda.empty_cache()  # else what other processes get depends on what ran here before
    every = range(cuda.device_count())
    for one in every:
        cuda.reset_peak_memory_stats(one)
    return sum(int(cuda.memory_allocated(one)) for one in every)


def _release_free_memory() -> None:
    # What the last job freed may still be resident; this job would reuse it and seem to need less.
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return  # not glibc


def _reset() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _resident(field: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
