"""The life of a run, whatever its kind: begun, executed, interrupted, continued, recorded."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from moesaic.bank import Bank
from moesaic.config import AnyConfig
from moesaic.data import Dataset, describe_dataset, load_dataset, save_dataset
from moesaic.errors import InputError, Interrupted
from moesaic.execution import get_executor, one_thread
from moesaic.runs._context import forget, versions
from moesaic.runs._folder import (
    RunFolder,
    create_folder,
    held,
    new_run_path,
    read_result,
    write_json,
)
from moesaic.runs._progress import Watcher
from moesaic.runs._session import Session

Found = TypeVar("Found")
Execute = Callable[[Session[AnyConfig]], dict[str, Any]]
# where and how long it runs; plugins are compared by what is in them
_MAY_CHANGE = {
    *("workers", "device", "executor", "address", "storage"),
    *("budget", "trial_timeout", "max_memory", "plugins"),
}


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: its directory.
        result: what `result.json` holds.
    """

    folder: Path
    result: dict[str, Any]


def begin(
    config: AnyConfig,
    out: str | Path | None,
    watcher: Watcher,
    check: Callable[[AnyConfig, Dataset], AnyConfig],
    execute: Execute[AnyConfig],
) -> RunResult:
    """Start a run in a new directory and execute it.

    Args:
        config: the settings.
        out: the directory; the next free one under `runs` when None.
        watcher: is told of progress.
        check: refuses, before anything is written, what could only fail later; returns the
            settings as the run shall have them.
        execute: all stages of the run; returns what `result.json` will hold.

    Raises:
        InputError: bad data or settings; nothing is written then.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person.
    """
    dataset = load_dataset(config.data, image_size=config.image_size, seed=config.seed)
    config = check(config, dataset)
    folder = create_folder(new_run_path(config.kind) if out is None else out, config)
    watcher.say(f"run {folder.path}")
    ours = False
    try:
        with held(folder):
            ours = True
            return _start(folder, config, dataset, watcher, execute)
    except InputError:
        # another process may have begun a run here in the same moment
        if ours and _nothing_trained(folder, config):
            # what is wrong can be put right and the same place used again
            shutil.rmtree(folder.path)
        raise
    except KeyboardInterrupt:  # while the data were stored
        raise Interrupted(f"interrupted; continue with: {_again(folder)}") from None


def _again(folder: RunFolder) -> str:
    return f"moesaic resume {shlex.quote(str(folder.path))}"


def _nothing_trained(folder: RunFolder, config: AnyConfig) -> bool:
    if not folder.started_file.exists():
        return True
    with Bank.open(folder.path, config.storage) as bank:
        return not bank.trials()


def carry_on(
    folder: RunFolder, config: AnyConfig, watcher: Watcher, execute: Execute[AnyConfig]
) -> RunResult:
    """Continue a run that was stopped; what was done is not done again.

    Raises:
        RunFailed: the run could not go on.
        Interrupted: stopped again.
    """
    if folder.result_file.exists():
        return RunResult(folder.path, read_result(folder))
    with held(folder):
        if not folder.started_file.exists():
            dataset = load_dataset(config.data, image_size=config.image_size, seed=config.seed)
            return _start(folder, config, dataset, watcher, execute)
        with Bank.open(folder.path, config.storage) as bank:
            _refuse_other_settings(folder, bank, config)
            bank.requeue_running()
            return _run(folder, config, bank, watcher, execute)


def _start(
    folder: RunFolder,
    config: AnyConfig,
    dataset: Dataset,
    watcher: Watcher,
    execute: Execute[AnyConfig],
) -> RunResult:
    """Store the data and make the bank; a run killed in here starts here again."""
    save_dataset(dataset, folder.data)
    fingerprint = dataset.fingerprint()
    with _new_bank(folder, config, fingerprint) as bank:
        bank.set_meta("config", config.to_dict())
        bank.set_meta("data", describe_dataset(dataset))
        bank.set_meta("versions", versions())
        write_json(folder.started_file, {"fingerprint": fingerprint})
        return _run(folder, config, bank, watcher, execute)


def _new_bank(folder: RunFolder, config: AnyConfig, fingerprint: str) -> Bank:
    """Make the bank, or open the one that a run killed at its very beginning made."""
    try:
        return Bank.create(folder.path, config.storage, fingerprint=fingerprint)
    except InputError as refused:
        try:
            bank = Bank.open(folder.path, config.storage)
        except InputError:
            raise refused from None
    if config.storage is not None and (bank.meta("fingerprint") != fingerprint or bank.trials()):
        bank.close()
        raise InputError(
            "the database of --storage holds another run already: give another one, or none"
        )
    return bank


def _refuse_other_settings(folder: RunFolder, bank: Bank, config: AnyConfig) -> None:
    """Refuse settings that a run was not begun with, as far as they decide what it finds.

    A bank of before this was recorded is trusted.
    """
    changed = sorted(_differences(bank.meta("config") or {}, config.to_dict()))
    if changed:
        raise InputError(
            f"{folder.config_file} has other settings than the run was begun with: "
            f"{', '.join(changed[:3])}: put them back, or begin a new run with --config"
        )


def _differences(begun: dict[str, Any], now: dict[str, Any], before: str = "") -> Iterator[str]:
    """Yield the settings that differ, by names like `recipe.lr`; new ones of a version do not."""
    for name in (begun.keys() & now.keys()) - (set() if before else _MAY_CHANGE):
        was, is_now = begun[name], now[name]
        if isinstance(was, dict) and isinstance(is_now, dict):
            yield from _differences(was, is_now, f"{before}{name}.")
        elif was != is_now:
            told = ["given" if isinstance(value, dict) else value for value in (is_now, was)]
            yield f"{before}{name} {told[0]} (was {told[1]})"


def extend(
    folder: RunFolder,
    config: AnyConfig,
    watcher: Watcher,
    again: str,
    work: Callable[[Session[AnyConfig]], Found],
) -> Found:
    """Do more work on a run that was begun; its result stays as it is.

    Args:
        folder: of the run.
        config: its settings.
        watcher: is told of progress.
        again: the command that continues this work, for a person who interrupts it.
        work: what to do.

    Raises:
        InputError: the run has no bank yet.
        RunFailed: the work could not go on.
        Interrupted: stopped by the person.
    """
    with held(folder), Bank.open(folder.path, config.storage) as bank:
        _refuse_other_settings(folder, bank, config)
        bank.requeue_running()
        return _at_work(folder, config, bank, watcher, again, work)


def _run(
    folder: RunFolder,
    config: AnyConfig,
    bank: Bank,
    watcher: Watcher,
    execute: Execute[AnyConfig],
) -> RunResult:
    result = _at_work(folder, config, bank, watcher, _again(folder), execute)
    result["seconds"] = bank.meta("seconds")
    write_json(folder.result_file, result)
    return RunResult(folder.path, read_result(folder))


def _at_work(
    folder: RunFolder,
    config: AnyConfig,
    bank: Bank,
    watcher: Watcher,
    again: str,
    work: Callable[[Session[AnyConfig]], Found],
) -> Found:
    """Open workers, do the work and close them; the seconds are counted however it ends."""
    forget()
    earlier, begun = float(bank.meta("seconds") or 0.0), time.monotonic()
    executor = None
    try:
        executor = get_executor(config.executor, config.workers, address=config.address)
        with one_thread():
            found = work(Session(folder, config, bank, executor, watcher))
    except BaseException as error:
        if executor is not None:
            executor.close(kill=True)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"interrupted; continue with: {again}") from None
        raise
    finally:
        bank.set_meta("seconds", earlier + time.monotonic() - begun)
    executor.close()
    return found
