"""The contract of an executor: jobs in, outcomes out; it knows nothing of trials or of the bank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

# What a returned mapping may name of the files that its function wrote: one, one, several.
FILE_KEYS = ("predictions", "checkpoint", "files")


@dataclass(frozen=True)
class Job:
    """One call that is to be made somewhere, on this machine or on another one.

    A job that works in a directory says so with `folder`, and names what it reads in `needs`. On
    another machine the function gets a copy of that in its argument `path`, always the same place
    for the same directory, so that it may keep what it loaded. What it writes there and names in
    its mapping (`FILE_KEYS`, relative to the directory) lies in the real directory when the
    outcome is yielded. An executor on this machine's file system has nothing to do for it.

    Attributes:
        key: names it; unique among the jobs under way.
        function: importable at module level, returns a mapping that can be sent.
        arguments: keyword arguments of the call, which can be sent.
        timeout: seconds it may run once it has begun, None for as long as it takes.
        folder: the directory it works in, which is also its argument `path`; None without one.
        needs: files and folders that it reads in it, relative; one that is missing stays missing.
        cpus: processor cores it asks for, of an executor that hands them out.
        gpus: GPUs it asks for; a fraction shares one.
        memory: bytes of main memory it asks for, None for no demand.
    """

    key: str
    function: Callable[..., Mapping[str, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    folder: Path | None = None
    needs: tuple[str, ...] = ()
    cpus: float = 1
    gpus: float = 0
    memory: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended. A failure is an outcome, never an exception in the coordinator.

    Attributes:
        key: the job's.
        status: `done` or `failed`.
        value: what the function returned; None when it failed.
        cause: one of `moesaic.bank.CAUSES` when it failed, else None.
        message: one line for a person when it failed, else "".
        traceback: the whole text where there is one, else "".
        seconds: wall time it ran.
    """

    key: str
    status: Literal["done", "failed"]
    value: Any = None
    cause: str | None = None
    message: str = ""
    traceback: str = ""
    seconds: float = 0.0


class Executor(ABC):
    """Runs jobs, up to `capacity` of them at once.

    A third party adds one by subclassing and by an entry point in the group `moesaic.executors`
    that names a callable `(workers: int) -> Executor`, with a keyword `address` where it joins a
    cluster; `moesaic.testing.ExecutorContract` is its test suite. Calls come from one thread, the
    coordinator's.
    """

    capacity: int

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Take a job; it starts when there is room, in the order of submission.

        Raises:
            TooLarge: no machine it knows has as much memory as the job asks for.
            InputError: a job of this key is under way, the executor is closed, or no machine it
                knows has what else the job asks for.
        """

    @abstractmethod
    def results(self, timeout: float | None = None) -> Iterator[Outcome]:
        """Yield outcomes as they come; every job under way yields exactly one.

        Jobs may be submitted and cancelled while it is iterated. It ends when nothing is under
        way, and can then be called again.

        Args:
            timeout: end as well when no outcome came for so many seconds.
        """

    @abstractmethod
    def cancel(self, key: str) -> None:
        """Forget a job, running or not: no outcome of it is yielded. Unknown keys are ignored."""

    @abstractmethod
    def close(self, kill: bool = False) -> None:
        """Drop what is queued, end the workers; nothing is yielded afterwards. Idempotent.

        Args:
            kill: end running jobs at once instead of waiting for them.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(kill=error is not None)
