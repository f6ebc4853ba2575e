"""Execution: how trials are run, in this process or in workers; it decides nothing about them."""

from moesaic.execution._base import Executor, Job, Outcome
from moesaic.execution._inprocess import InProcessExecutor
from moesaic.execution._memory import PeakMemory, peak_memory
from moesaic.execution._process import ProcessExecutor
from moesaic.execution._read_table import Measure, read_table
from moesaic.execution._registry import check_executor, get_executor
from moesaic.execution._table import Table
from moesaic.execution._tabular import TabularExecutor
from moesaic.execution._threads import one_thread

__all__ = [
    "Executor",
    "InProcessExecutor",
    "Job",
    "Measure",
    "Outcome",
    "PeakMemory",
    "ProcessExecutor",
    "Table",
    "TabularExecutor",
    "check_executor",
    "get_executor",
    "one_thread",
    "peak_memory",
    "read_table",
]
