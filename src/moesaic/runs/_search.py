"""A search from end to end: every stage in turn, each one resumable."""

from __future__ import annotations

import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Bank
from moesaic.config import SearchConfig
from moesaic.data import Dataset, describe_dataset, load_dataset, save_dataset
from moesaic.errors import InputError, Interrupted
from moesaic.execution import get_executor
from moesaic.runs._context import check_device, load_context, load_partition, make_space, versions
from moesaic.runs._design import design_final
from moesaic.runs._epochs import choose_epochs
from moesaic.runs._final import choose_experts, read_test, run_final
from moesaic.runs._folder import (
    RunFolder,
    create_folder,
    new_run_path,
    open_folder,
    read_result,
    write_json,
)
from moesaic.runs._generalists import train_generalists
from moesaic.runs._outcome import Evidence, assemble
from moesaic.runs._progress import Watcher, expected_work
from moesaic.runs._session import Session
from moesaic.runs._specialise import specialise
from moesaic.runs._structure import find_structure
from moesaic.strategies import get_strategy
from moesaic.structure import Partition

_MOST_AUTO_EXPERTS = 4


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: its directory.
        result: what `result.json` holds.
    """

    folder: Path
    result: dict[str, Any]


def search(
    config: SearchConfig, out: str | Path | None = None, watcher: Watcher | None = None
) -> RunResult:
    """Search, train and judge a mixture for the data that the settings name.

    Args:
        config: the settings.
        out: a new directory for the run; the next free one under `runs` by default.
        watcher: is told of progress.

    Raises:
        InputError: bad data or settings; nothing is written then.
        RunFailed: the run could not go on.
        Interrupted: stopped by the person; `resume` continues it.
    """
    watcher = watcher or Watcher()
    dataset = load_dataset(config.data, image_size=config.image_size, seed=config.seed)
    _check(config, dataset)
    folder = create_folder(new_run_path() if out is None else out, config)
    watcher.say(f"run {folder.path}")
    try:
        return _start(folder, config, dataset, watcher)
    except InputError:
        if not folder.started_file.exists():
            # nothing was trained: what is wrong can be put right and the same place used again
            shutil.rmtree(folder.path)
        raise


def resume(path: str | Path, watcher: Watcher | None = None) -> RunResult:
    """Continue a run that was stopped; what was done is not done again.

    Raises:
        InputError: there is no run in `path`.
        RunFailed: the run could not go on.
        Interrupted: stopped again.
    """
    watcher = watcher or Watcher()
    folder = open_folder(path)
    config = folder.config()
    if folder.result_file.exists():
        return RunResult(folder.path, read_result(folder))
    if not folder.started_file.exists():
        dataset = load_dataset(config.data, image_size=config.image_size, seed=config.seed)
        return _start(folder, config, dataset, watcher)
    with Bank.open(folder.path, config.storage) as bank:
        bank.requeue_running()
        return _run(folder, config, bank, watcher)


def _start(
    folder: RunFolder, config: SearchConfig, dataset: Dataset, watcher: Watcher
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
        return _run(folder, config, bank, watcher)


def _check(config: SearchConfig, dataset: Dataset) -> None:
    """Refuse, before anything is written, what could only fail later."""
    space = make_space(config, dataset)
    get_strategy(config.strategy, space, 1, [1.0])
    if config.address is None:  # else it is the cluster's machines that need the device
        check_device(config.device)
    get_executor(config.executor, 1, address=config.address).close()
    least = config.clusters or (2 if config.experts == "auto" else config.experts)
    if len(dataset.train) < least:
        raise InputError(
            f"{least} clusters were asked of {len(dataset.train)} training samples: "
            "lower --clusters and --experts or give more data"
        )


def _run(folder: RunFolder, config: SearchConfig, bank: Bank, watcher: Watcher) -> RunResult:
    executor = get_executor(config.executor, config.workers, address=config.address)
    session = Session(folder, config, bank, executor, watcher)
    earlier = float(bank.meta("seconds") or 0.0)
    try:
        result = _execute(session)
    except KeyboardInterrupt:
        executor.close(kill=True)
        raise Interrupted(
            f"interrupted; continue with: moesaic resume {shlex.quote(str(folder.path))}"
        ) from None
    except BaseException:
        executor.close(kill=True)
        raise
    finally:
        bank.set_meta("seconds", earlier + time.monotonic() - session.started)
    executor.close()
    result["seconds"] = bank.meta("seconds")
    write_json(folder.result_file, result)
    return RunResult(folder.path, read_result(folder))


def _execute(session: Session) -> dict[str, Any]:
    config, path = session.config, str(session.folder.path)
    structure = find_structure(session)
    partition = load_partition(path)
    session.watcher.say(
        f"{partition.count} clusters, told apart by a small gate on "
        f"{100 * structure['routability']:.0f} % of held-out samples"
    )
    space = make_space(config, load_context(path).dataset)
    counts = _counts(config, partition)
    weight = _weight(partition)
    domains = len(session.bank.meta("data")["domains"])
    session.estimate.total = expected_work(config, counts, None, domains)
    generalists = train_generalists(session, space, weight, counts[-1])
    choices = {count: specialise(session, generalists, weight, count) for count in counts}
    designs = {count: design_final(session, space, choices[count], partition) for count in counts}
    shares = np.bincount(partition.validation, minlength=partition.count) / max(
        1, len(partition.validation)
    )
    epochs = choose_epochs(session, designs[counts[0]], shares.tolist())
    session.estimate.total = expected_work(config, counts, epochs, domains)
    designs = {count: design.for_epochs(epochs) for count, design in designs.items()}
    experts, tried = choose_experts(session, designs, shares.tolist())
    design, choice = designs[experts], choices[experts]
    final = run_final(session, design)
    test = read_test(session, final)
    return assemble(
        session,
        Evidence(structure, generalists, design, choice, final, test, tried),
    )


def _weight(partition: Partition) -> NDArray[np.float64]:
    """Return the shares (M,) of the clusters, 0 for one that no validation sample fell into."""
    seen = np.bincount(partition.validation, minlength=partition.count) > 0
    weight = np.where(seen, partition.shares, 0.0)
    shares: NDArray[np.float64] = weight / weight.sum()
    return shares


def _counts(config: SearchConfig, partition: Partition) -> list[int]:
    if config.experts == "auto":
        return list(range(2, max(2, min(_MOST_AUTO_EXPERTS, partition.count)) + 1))
    return [int(config.experts)]
