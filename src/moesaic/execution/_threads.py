"""How many threads a process computes with: one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, in torch, BLAS and OpenMP alike; afterwards with as many as before.

    Workers share the cores, and threads of BLAS wait for each other by spinning: on a busy
    machine two of them can take many times as long as one. And with one thread the order
    of a sum, and so its last bit, does not depend on the number of cores.
    """
    before = torch.get_num_threads()
    try:
        with threadpool_limits(limits=1):
            torch.set_num_threads(1)
            yield
    finally:
        torch.set_num_threads(before)


def keep_one_thread() -> None:
    """Compute with one thread to the end of this process, in what it loads later too."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
