"""An executor that looks trainings up in a table instead of running them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from moesaic.execution._base import Job
from moesaic.execution._inprocess import InProcessExecutor
from moesaic.execution._table import Table


class TabularExecutor(InProcessExecutor):
    """Answers the jobs that train from a table; any other job runs here, one by one.

    What the table lacks fails, as a network fails that cannot be built. Seconds of an outcome
    are those of the look-up; those of the training are in its value.
    """

    def __init__(self, table: Table, instead_of: Callable[..., Mapping[str, Any]]) -> None:
        """Make it.

        Args:
            table: what trainings gave.
            instead_of: the function that trains; it takes the trial in its argument `payload`.
        """
        super().__init__()
        self._table, self._instead_of = table, instead_of

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        if job.function is self._instead_of:
            words = {"payload": job.arguments["payload"]}
            job = replace(job, function=self._table.answer, arguments=words, timeout=None)
        super().submit(job)
