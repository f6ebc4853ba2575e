"""The life of a run, whatever its kind: begun, executed, interrupted, continued, recorded."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from moesaic.bank import Bank
from moesaic.config import AnyConfig
from moesaic.data import Dataset, describe_dataset, load_dataset, save_dataset
from moesaic.errors import InputError, Interrupted
from moesaic.execution import get_executor, one_thread
from moesaic.runs._context import versions
from moesaic.runs._folder import RunFolder, create_folder, new_run_path, read_result, write_json
from moesaic.runs._progress import Watcher
from moesaic.runs._session import Session

Found = TypeVar("Found")
Execute = Callable[[Session[AnyConfig]], dict[str, Any]]


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
    check: Callable[[AnyConfig, Dataset], None],
    execute: Execute[AnyConfig],
) -> RunResult:
    """Start a run in a new directory and execute it.

    Args:
        config: the settings.
        out: the directory; the next free one under `runs` when None.
        watcher: is told of progress.
        check: refuses, before anything is written, what could only fail later.
        execute: all stages of the run; returns what `result.json` will hold.

    Raises:
        InputError: bad data or settings; nothing is written then.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person.
    """
    dataset = load_dataset(config.data, image_size=config.image_size, seed=config.seed)
    check(config, dataset)
    folder = create_folder(new_run_path(config.kind) if out is None else out, config)
    watcher.say(f"run {folder.path}")
    try:
        return _start(folder, config, dataset, watcher, execute)
    except InputError:
        if not folder.started_file.exists():
            # nothing was trained: what is wrong can be put right and the same place used again
            shutil.rmtree(folder.path)
        raise


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
    if not folder.started_file.exists():
        dataset = load_dataset(config.data, image_size=config.image_size, seed=config.seed)
        return _start(folder, config, dataset, watcher, execute)
    with Bank.open(folder.path, config.storage) as bank:
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
    try:
        bank = Bank.create(folder.path, config.storage, fingerprint=fingerprint)
    except InputError:
        bank = Bank.open(folder.path, config.storage)
    with bank:
        bank.set_meta("data", describe_dataset(dataset))
        bank.set_meta("versions", versions())
        write_json(folder.started_file, {"fingerprint": fingerprint})
        return _run(folder, config, bank, watcher, execute)


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
    with Bank.open(folder.path, config.storage) as bank:
        bank.requeue_running()
        return _at_work(folder, config, bank, watcher, again, work)


def _run(
    folder: RunFolder,
    config: AnyConfig,
    bank: Bank,
    watcher: Watcher,
    execute: Execute[AnyConfig],
) -> RunResult:
    again = f"moesaic resume {shlex.quote(str(folder.path))}"
    result = _at_work(folder, config, bank, watcher, again, execute)
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
    executor = get_executor(config.executor, config.workers, address=config.address)
    earlier = float(bank.meta("seconds") or 0.0)
    session = Session(folder, config, bank, executor, watcher)
    try:
        with one_thread():
            found = work(session)
    except KeyboardInterrupt:
        executor.close(kill=True)
        raise Interrupted(f"interrupted; continue with: {again}") from None
    except BaseException:
        executor.close(kill=True)
        raise
    finally:
        bank.set_meta("seconds", earlier + time.monotonic() - session.started)
    executor.close()
    return found
