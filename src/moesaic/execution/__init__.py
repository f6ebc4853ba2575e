"""Execution: how trials are run, in this process or in workers; it decides nothing about them."""

from moesaic.execution._base import Executor, Job, Outcome
from moesaic.execution._inprocess import InProcessExecutor
from moesaic.execution._memory import PeakMemory, peak_memory
from moesaic.execution._process import ProcessExecutor
from moesaic.execution._registry import get_executor

__all__ = [
    "Executor",
    "InProcessExecutor",
    "Job",
    "Outcome",
    "PeakMemory",
    "ProcessExecutor",
    "get_executor",
    "peak_memory",
]
