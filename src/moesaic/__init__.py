"""moesaic finds, for your data, a sparse mixture of different networks, and the evidence for it.

Names are imported when they are first used, so that `import moesaic` costs next to nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moesaic import errors

if TYPE_CHECKING:
    from pathlib import Path

    from moesaic.bank import Bank, Observation, Trial
    from moesaic.config import (
        CampaignConfig,
        Recipe,
        SearchConfig,
        make_campaign_config,
        make_config,
    )
    from moesaic.data import Dataset, load_dataset
    from moesaic.execution import Table, read_table
    from moesaic.mixture import Mixture, load_model
    from moesaic.runs import RunResult, Watcher, cascade, open_run, record_table, tabular_search
    from moesaic.spaces import Architecture, SearchSpace

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Bank",
    "CampaignConfig",
    "Dataset",
    "Mixture",
    "Observation",
    "Recipe",
    "SearchConfig",
    "SearchSpace",
    "Table",
    "Trial",
    "campaign",
    "cascade",
    "errors",
    "load_dataset",
    "load_model",
    "make_campaign_config",
    "make_config",
    "open_run",
    "read_table",
    "record_table",
    "resume",
    "search",
    "tabular_search",
]

_HOMES = {
    "Architecture": "spaces",
    "Bank": "bank",
    "CampaignConfig": "config",
    "Dataset": "data",
    "Mixture": "mixture",
    "Observation": "bank",
    "Recipe": "config",
    "SearchConfig": "config",
    "SearchSpace": "spaces",
    "Table": "execution",
    "Trial": "bank",
    "cascade": "runs",
    "load_dataset": "data",
    "load_model": "mixture",
    "make_campaign_config": "config",
    "make_config": "config",
    "open_run": "runs",
    "read_table": "execution",
    "record_table": "runs",
    "tabular_search": "runs",
}


def search(
    config: SearchConfig | None = None,
    *,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> RunResult:
    """Search, train and judge a mixture, and report: `moesaic.search(data="digits", experts=2)`.

    Args:
        config: the settings; defaults for all of them when not given.
        out: a new directory for the run; the next free one under `runs` by default.
        watcher: is told of progress.
        settings: fields of `SearchConfig`, on top of `config`.

    Raises:
        InputError: bad data or settings, in one line.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person; `resume` continues it.
    """
    from moesaic import runs
    from moesaic.config import SearchConfig, make_config, merge_settings

    _expect(config, SearchConfig)
    if config is None or settings:
        config = make_config(merge_settings(config.to_dict() if config else {}, settings))
    return _reported(runs.search(config, out=out, watcher=watcher))


def campaign(
    config: CampaignConfig | None = None,
    *,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
    **settings: Any,
) -> RunResult:
    """Train mixtures of K network families and report: `moesaic.campaign(data="a.npz")`.

    Args:
        config: the settings; defaults for all of them when not given.
        out: a new directory for the run; the next free one under `runs` by default.
        watcher: is told of progress.
        settings: fields of `CampaignConfig`, on top of `config`.

    Raises:
        InputError: bad data or settings, in one line.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person; `resume` continues it.
    """
    from moesaic import runs
    from moesaic.config import CampaignConfig, make_campaign_config, merge_settings

    _expect(config, CampaignConfig)
    if config is None or settings:
        given = config.to_dict() if config else {}
        config = make_campaign_config(merge_settings(given, settings))
    return _reported(runs.campaign(config, out=out, watcher=watcher))


def _expect(config: object, kind: type) -> None:
    if config is not None and not isinstance(config, kind):
        raise errors.InputError(
            f"what is given without a name is a {kind.__name__}, not {type(config).__name__}: "
            'settings have names, such as data="mine.npz"'
        )


def resume(path: str | Path, watcher: Watcher | None = None) -> RunResult:
    """Continue a run that was stopped, and report; what was done is not done again.

    Args:
        path: the directory of the run.
        watcher: is told of progress.

    Raises:
        InputError: there is no run in `path`.
        RunFailed: the run could not go on.
        Interrupted: stopped again.
    """
    from moesaic import runs

    return _reported(runs.resume(path, watcher=watcher))


def _reported(found: RunResult) -> RunResult:
    """Write the report of a finished run where there is none yet; `runs` is below `report`."""
    if found.result.get("kind") == "campaign":
        from moesaic.report.campaign import record_yield

        found = replace(found, result=record_yield(found.folder))
    if not (found.folder / "report.html").exists():
        from moesaic.report import write_report

        try:
            write_report(found.folder)
        except KeyboardInterrupt:
            raise errors.Interrupted(
                f"interrupted at the report; write it with: moesaic report {found.folder}"
            ) from None
    return found


if not TYPE_CHECKING:  # a type checker would take any name for known

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first asked for."""
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module 'moesaic' has no attribute '{name}'")
        value = getattr(import_module(f"moesaic.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
