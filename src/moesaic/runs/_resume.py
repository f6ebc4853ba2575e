"""Continuing a run of either kind that was stopped."""

from __future__ import annotations

from pathlib import Path

from moesaic.config import SearchConfig
from moesaic.runs._folder import open_folder
from moesaic.runs._lifecycle import RunResult, carry_on
from moesaic.runs._progress import Watcher
from moesaic.runs._search import execute_search
from moesaic.runs.campaign import execute_campaign


def resume(path: str | Path, watcher: Watcher | None = None) -> RunResult:
    """Continue a run that was stopped; what was done is not done again.

    Raises:
        InputError: there is no run in `path`.
        RunFailed: the run could not go on.
        Interrupted: stopped again.
    """
    folder = open_folder(path)
    config, watching = folder.config(), watcher or Watcher()
    if isinstance(config, SearchConfig):
        return carry_on(folder, config, watching, execute_search)
    return carry_on(folder, config, watching, execute_campaign)
