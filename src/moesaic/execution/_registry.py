"""Executors by name, ours and those that others registered; it starts none by itself."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.util import find_spec

from moesaic.errors import InputError, unknown_name
from moesaic.execution._base import Executor
from moesaic.execution._inprocess import InProcessExecutor
from moesaic.execution._process import ProcessExecutor

GROUP = "moesaic.executors"
_HERE = ("process", "inprocess")


def get_executor(name: str, workers: int, *, address: str | None = None) -> Executor:
    """Return a new executor.

    Args:
        name: "process", "inprocess", "ray" or a name registered in the group `moesaic.executors`.
        workers: how many jobs at once; "inprocess" runs one whatever it says, and "ray" as many
            as the cluster at `address` has CPUs.
        address: of the cluster that "ray" joins, `host:port` or `auto`; it starts a local one
            without. Passed on to a registered executor when it is given.

    Raises:
        InputError: nobody registered the name, what was registered is no executor, Ray is not
            installed, no cluster answers, or an address for an executor that has none.
    """
    _refuse_address(name, address)
    if name == "process":
        return ProcessExecutor(workers)
    if name == "inprocess":
        return InProcessExecutor()
    if name == "ray":
        return _ray_executor(workers, address)
    registered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in registered:
        raise unknown_name("executor", name, {*_HERE, "ray", *registered})
    make: Callable[..., object] = registered[name].load()
    executor = make(workers) if address is None else make(workers, address=address)
    if not isinstance(executor, Executor):
        raise InputError(f"executor '{name}' made a {type(executor).__name__}, not an Executor")
    return executor


def check_executor(name: str, *, address: str | None = None) -> None:
    """Refuse what `get_executor` would; workers on this machine are not started for it.

    Args:
        name: as `get_executor` takes it.
        address: as `get_executor` takes it.

    Raises:
        InputError: as `get_executor` does.
    """
    if name in _HERE:
        _refuse_address(name, address)
    else:
        get_executor(name, 1, address=address).close()


def _refuse_address(name: str, address: str | None) -> None:
    if name in _HERE and address is not None:
        raise InputError(
            f"executor '{name}' works on this machine only and was given the address {address}: "
            "choose the executor ray"
        )


def _ray_executor(workers: int, address: str | None) -> Executor:
    if find_spec("ray") is None:
        raise InputError(
            "the executor ray needs Ray, which is not installed: pip install 'moesaic[ray]'"
        )
    from moesaic.execution._ray import RayExecutor

    return RayExecutor(workers, address)
