"""Runs: the loop that plans, executes, records and resumes."""

from moesaic.runs._folder import RunFolder, open_folder, read_result
from moesaic.runs._open import Run, open_run
from moesaic.runs._progress import Watcher
from moesaic.runs._search import RunResult, resume, search

__all__ = [
    "Run",
    "RunFolder",
    "RunResult",
    "Watcher",
    "open_folder",
    "open_run",
    "read_result",
    "resume",
    "search",
]
