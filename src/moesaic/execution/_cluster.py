"""The connection to a Ray cluster, joined or started here; it runs no jobs."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import ray
from ray._private import ray_constants

from moesaic.errors import InputError, RunFailed, TooLarge
from moesaic.execution._base import Job

_LOOPBACK = "127.0.0.1"
_PATIENCE = 10.0  # seconds that the head of a cluster may take to answer
_QUIET: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}


class Cluster:
    """One connection of this process; ended only when it was made here.

    Args:
        workers: CPUs of a local Ray.
        address: of the cluster to join, `host:port` or `auto`; None starts a local Ray when the
            first job comes.

    Raises:
        InputError: no cluster answers at the address, it has no CPU, or this process has joined
            another one.
    """

    def __init__(self, workers: int, address: str | None) -> None:
        self.connected = False
        self._ours = False
        self._workers = workers
        self._address = address
        if address is not None:
            self.connect()

    @property
    def local(self) -> bool:
        """Whether the cluster was started here and ends with this connection."""
        return self._ours and self._address is None

    def connect(self) -> None:
        """Join the cluster or start it; a connection that this process has already is used."""
        if self.connected:
            return
        logging.getLogger("ray").setLevel(logging.ERROR)
        self._ours = not ray.is_initialized()
        if self._ours and self._address is None:
            self._start()
        elif self._ours:
            self._join(self._address)
        self.connected = True
        if not self._ours and self._address not in (None, "auto"):
            self._refuse_another()

    def cpus(self) -> int:
        """Return the cluster's CPUs, at least one."""
        found = int(ray.cluster_resources().get("CPU", 0))
        if found < 1:
            self.disconnect()
            raise InputError(f"the Ray cluster at {self._address} has no CPU: add a node with some")
        return found

    def refuse_impossible(self, job: Job) -> None:
        """Refuse a job that would wait for ever.

        Raises:
            TooLarge: some node has the rest of what the job asks for, but none that much memory.
            InputError: no living node has what the job asks for.
        """
        if job.cpus <= 1 and not job.gpus and not job.memory:
            return
        asked = {"CPU": job.cpus, "GPU": job.gpus, "memory": float(job.memory or 0)}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        able = [has for has in nodes if all(has.get(k, 0) >= asked[k] for k in ("CPU", "GPU"))]
        if not any(has.get("memory", 0) >= asked["memory"] for has in able):
            words = ", ".join(f"{value:g} {name}" for name, value in asked.items() if value)
            kind = TooLarge if able else InputError
            raise kind(
                f"job '{job.key}' asks for {words}, and no node of the Ray cluster has that: "
                "ask for less or add a node"
            )

    def disconnect(self) -> None:
        """End the connection if it was made here, with the Ray that was started for it."""
        if self.connected and self._ours:
            ray.shutdown()
        self.connected = False

    def _refuse_another(self) -> None:
        here = ray.get_runtime_context().gcs_address
        if here != self._address:
            raise InputError(
                f"this process has joined the Ray cluster at {here} already and cannot join that "
                f"at {self._address}: call ray.shutdown() first"
            )

    def _start(self) -> None:
        try:
            with _on_loopback():
                ray.init(
                    address="local",
                    num_cpus=self._workers,
                    include_dashboard=False,
                    _node_ip_address=_LOOPBACK,
                    **_QUIET,
                )
        except Exception as error:
            ray.shutdown()
            raise RunFailed(f"cannot start Ray on this machine: {_first_line(error)}") from error

    def _join(self, address: str | None) -> None:
        try:
            if address not in (None, "auto"):
                _knock(str(address))
            ray.init(address=address, **_QUIET)
        except Exception as error:
            ray.shutdown()
            raise InputError(
                f"no Ray cluster to join at {address} ({_first_line(error)}): start one with "
                "'ray start --head', and use its address and its token"
            ) from error


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let a Ray that is started in here listen to this machine only, and report to nobody.

    Ray replaces a loopback address by that of the network, except where it takes several machines
    to be impossible; then all of it binds to the loopback. Its workers import what can be
    imported here.
    """
    words = {
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path),
    }
    before = {name: os.environ.get(name) for name in words}
    many = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(words)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = many
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _knock(address: str) -> None:
    """See that somebody listens at `host:port`: Ray itself would wait for minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no such address.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        raise ValueError("expected host:port or auto")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
