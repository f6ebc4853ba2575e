"""What runs inside a worker of a Ray cluster: one job at a time, in a mirror of the run directory.

It decides nothing about the job.
"""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass

import numpy as np
import ray
from numpy.typing import NDArray
from ray.experimental import internal_kv

from moesaic.execution._mirror import (
    FileStamp,
    fill_mirror,
    open_mirror,
    remove_mirror,
    take_files,
)
from moesaic.execution._perform import failure
from moesaic.execution._threads import keep_one_thread
from moesaic.execution._worker import pack_outcome, unpack_and_perform

NAMESPACE = b"moesaic"


@dataclass(frozen=True)
class Errand:
    """A job as a worker gets it.

    Attributes:
        mark: entry of the cluster's key-value store that says that the job began, and where.
        key: the job's.
        packed: what `pack_job` made of it.
        mirror: name of the mirror it works in, None for a job without a folder.
        stamps: files the mirror must hold.
    """

    mark: bytes
    key: str
    packed: bytes
    mirror: str | None
    stamps: tuple[FileStamp, ...]


Answer = tuple[bytes, dict[str, NDArray[np.uint8]], str]


def perform_errand(errand: Errand, *contents: NDArray[np.uint8]) -> Answer:
    """Perform a job.

    Args:
        errand: the job.
        contents: bytes of the files in `errand.stamps`.

    Returns:
        The packed outcome, the files that the job wrote by their names, and this node's id.
    """
    _prepare()
    node: str = ray.get_runtime_context().get_node_id()
    before = time.monotonic()
    files: dict[str, NDArray[np.uint8]] = {}
    try:
        mirror = None if errand.mirror is None else open_mirror(errand.mirror)
        if mirror is not None:
            fill_mirror(mirror, errand.stamps, contents)
        # written before the job is touched, and in the head's memory when this returns: from here
        # on the job is never run again, whatever becomes of this process
        internal_kv._internal_kv_put(errand.mark, node.encode(), namespace=NAMESPACE)
        given = {} if mirror is None else {"path": str(mirror)}
        outcome = unpack_and_perform(errand.key, errand.packed, given)
        if mirror is not None and outcome.status == "done":
            files = take_files(mirror, outcome.value)
    except Exception as error:  # noqa: BLE001 - recorded as the job's result
        outcome = failure(errand.key, error, time.monotonic() - before)
    return pack_outcome(outcome), files, node


def remove_mirrors(names: list[str]) -> None:
    """Remove mirrors from this node; a node without them has nothing to do."""
    for name in names:
        remove_mirror(name)


def _prepare() -> None:
    """One thread a worker; Ctrl-C is for the coordinator alone."""
    keep_one_thread()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
