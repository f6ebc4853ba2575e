"""How much memory one job needed at its highest; it limits nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    works on Linux, elsewhere the answer is 0. One measurement at a time in a process.
    """
    peak = PeakMemory()
    _release_free_memory()
    start = _resident("VmRSS") if _reset() else None
    try:
        yield peak
    finally:
        highest = _resident("VmHWM")
        if start is not None and highest is not None:
            peak.bytes = max(0, highest - start)


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
