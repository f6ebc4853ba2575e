"""The processes of a run under test: any of them may end between being listed and being asked."""

from __future__ import annotations

import contextlib

import psutil


def family(pid: int) -> list[psutil.Process]:
    """Return all living descendants of a process."""
    return psutil.Process(pid).children(recursive=True)


def kill_a_busy_worker(pid: int, seconds: float) -> bool:
    """SIGKILL a descendant without children that has used more than some seconds of CPU, if any."""
    for child in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            if not child.children() and child.cpu_times().user > seconds:
                child.kill()
                return True
    return False


def named(pid: int, part: str) -> list[psutil.Process]:
    """Return the descendants with a part in their name."""
    found = []
    for child in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            if part in child.name():
                found.append(child)
    return found


def listening(processes: list[psutil.Process]) -> set[str]:
    """Return the addresses on which any of the processes listens, IPv4 in its plain form."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add(connection.laddr.ip.removeprefix("::ffff:"))
    return found
