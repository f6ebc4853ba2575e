"""Executors by name, ours and those that others registered; it starts none by itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from moesaic.errors import InputError, unknown_name
from moesaic.execution._base import Executor
from moesaic.execution._inprocess import InProcessExecutor
from moesaic.execution._process import ProcessExecutor

GROUP = "moesaic.executors"


def get_executor(name: str, workers: int) -> Executor:
    """Return a new executor.

    Args:
        name: "process", "inprocess" or a name registered in the group `moesaic.executors`.
        workers: how many jobs at once; "inprocess" runs one whatever it says.

    Raises:
        InputError: nobody registered the name, or what was registered is no executor.
    """
    if name == "process":
        return ProcessExecutor(workers)
    if name == "inprocess":
        return InProcessExecutor()
    registered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in registered:
        raise unknown_name("executor", name, {"process", "inprocess", *registered})
    make: Callable[[int], object] = registered[name].load()
    executor = make(workers)
    if not isinstance(executor, Executor):
        raise InputError(f"executor '{name}' made a {type(executor).__name__}, not an Executor")
    return executor
