"""A Ray cluster on the loopback of this machine, for tests: its nodes can be killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'moesaic[ray]'"
)

# `ray start` replaces a loopback address by that of the network unless it is told not to know it
_RAY = (
    "from ray._private import services; services.is_localhost = lambda host: False;"
    "from ray.scripts.scripts import main; main()"
)
_LOOPBACK_DRIVER = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_LOOPBACK = "127.0.0.1"


class LoopbackCluster:
    """Ray nodes of one CPU each on 127.0.0.1, node 0 being the head.

    Attributes:
        address: what `RayExecutor` and `--address` take.
        driver: environment of a process that joins it; `cluster` sets it in this one.
    """

    def __init__(self, nodes: int = 2, cpus: int = 1) -> None:
        # short: the paths of the sockets below it may have a hundred characters
        self.folder = Path(tempfile.mkdtemp(prefix="mray-", dir="/tmp"))
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.address = f"{_LOOPBACK}:{_free_port()}"
        auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.driver = {**auth, **_LOOPBACK_DRIVER}
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in _LOOPBACK_DRIVER},
            **auth,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join(sys.path),  # the functions of test files
        }
        self._nodes: list[subprocess.Popen[bytes]] = []
        try:
            for number in range(nodes):
                self._nodes.append(self._start_node(number, cpus))
        except BaseException:
            self.stop()
            raise

    def kill_node(self, number: int) -> None:
        """SIGKILL a node's raylet, its workers and whatever else belongs to it, all at once."""
        for process in self.processes(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()  # so that none of them sees another one die first
        for process in self.processes(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._nodes[number].wait(30)

    def processes(self, number: int) -> list[psutil.Process]:
        """Return the living processes of a node."""
        try:
            root = psutil.Process(self._nodes[number].pid)
            return [*root.children(recursive=True), root]
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> None:
        """End all nodes and remove what they wrote."""
        for number in reversed(range(len(self._nodes))):
            if self._nodes[number].poll() is None:
                self.kill_node(number)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_node(self, number: int, cpus: int) -> subprocess.Popen[bytes]:
        port = self.address.rpartition(":")[2]
        head = [
            "--head",
            f"--port={port}",
            f"--temp-dir={self.folder}",
            "--include-dashboard=false",
        ]
        place = head if number == 0 else [f"--address={self.address}"]
        log = self.folder / f"node-{number}.txt"
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _RAY, "start", *place, "--block"),
                *(f"--node-ip-address={_LOOPBACK}", f"--num-cpus={cpus}", "--num-gpus=0"),
                *("--disable-usage-stats", "--object-store-memory=200000000"),
            ],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            env=self._environment,
        )
        end = time.monotonic() + 90
        while "Ray runtime started" not in log.read_text(errors="replace"):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise RuntimeError(f"Ray node {number} did not start:\n{log.read_text()}")
            time.sleep(0.1)
        return process


@contextlib.contextmanager
def loopback_cluster(nodes: int = 2, cpus: int = 1) -> Iterator[LoopbackCluster]:
    """Start a cluster, make this process fit to join it, and stop it at the end."""
    cluster = LoopbackCluster(nodes, cpus)
    try:
        with joined_by_this_process(cluster.driver):
            yield cluster
    finally:
        cluster.stop()


@contextlib.contextmanager
def joined_by_this_process(words: dict[str, str]) -> Iterator[None]:
    """Set the environment of a process that joins; Ray reads part of it when it is imported."""
    from ray._private import ray_constants
    from ray._raylet import AuthenticationTokenLoader, Config

    before: dict[str, Any] = {name: os.environ.get(name) for name in words}
    many = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.update(words)
    ray_constants.ENABLE_RAY_CLUSTER = False
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = many
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind((_LOOPBACK, 0))
        return int(server.getsockname()[1])
