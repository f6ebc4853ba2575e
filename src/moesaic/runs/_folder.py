"""The directory of a run: what lies where, creating and opening it; it runs nothing."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from moesaic.bank import write_atomic
from moesaic.config import (
    CampaignConfig,
    RunConfig,
    SearchConfig,
    load_config,
    make_run_config,
)
from moesaic.errors import DamagedRun, InputError, RunFailed

CONFIG = "config.yaml"


@dataclass(frozen=True)
class RunFolder:
    """Names the places in a run directory."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The settings the run was started with."""
        return self.path / CONFIG

    @property
    def data(self) -> Path:
        """The data as the run saw them, one .npy an array."""
        return self.path / "data"

    @property
    def structure(self) -> Path:
        """Embedding and partition."""
        return self.path / "structure"

    @property
    def predictions(self) -> Path:
        """Stored predictions, one file a trial."""
        return self.path / "predictions"

    @property
    def checkpoints(self) -> Path:
        """Stored weights, one file a trial."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The model that is handed over."""
        return self.path / "model"

    @property
    def started_file(self) -> Path:
        """Written once the data and the bank are in place."""
        return self.path / "started.json"

    @property
    def result_file(self) -> Path:
        """What the run found, as JSON."""
        return self.path / "result.json"

    @property
    def report_file(self) -> Path:
        """What the run found, for a person."""
        return self.path / "report.html"

    def config(self) -> SearchConfig | CampaignConfig:
        """Read the settings back."""
        return make_run_config(load_config(self.config_file))


def create_folder(path: str | Path, config: RunConfig) -> RunFolder:
    """Make a new run directory.

    Raises:
        InputError: it exists and is not empty, or cannot be written.
    """
    folder = RunFolder(Path(path))
    try:
        if folder.path.exists():
            _refuse_existing(folder)
        for place in (folder.path, folder.structure, folder.predictions, folder.checkpoints):
            place.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(config.to_dict(), sort_keys=False)
        folder.config_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot make the run directory {path}: {os.strerror(error.errno or 0)}; "
            "give another place with --out"
        ) from None
    return folder


def _refuse_existing(folder: RunFolder) -> None:
    if not folder.path.is_dir():
        raise InputError(f"{folder.path} is a file: give a new directory with --out")
    if folder.config_file.exists():
        raise InputError(
            f"{folder.path} already holds a run: continue it with 'moesaic resume {folder.path}' "
            "or give a new directory with --out"
        )
    if any(folder.path.iterdir()):
        raise InputError(f"{folder.path} is not empty: give a new directory with --out")


@contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Hold a run for this process: two at work on one would take each other's trials.

    Raises:
        InputError: another process has it, or it cannot be written.
    """
    # somebody who looks whether it is held has it for a moment
    lock = FileLock(folder.path / ".lock", timeout=0.5)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"another process is at work on the run in {folder.path}: wait for it, or stop it first"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write to {folder.path}: {os.strerror(error.errno or 0)}; copy the run to a "
            "place of your own"
        ) from None
    try:
        yield
    finally:
        lock.release()


def at_work(folder: RunFolder) -> bool:
    """Whether a process holds the run."""
    lock = FileLock(folder.path / ".lock", timeout=0)
    if not (folder.path / ".lock").exists():
        return False
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # nobody may write here
        return False
    lock.release()
    return False


def saw_other_data(folder: RunFolder, first: RunFolder) -> InputError:
    """Return the error for two runs that cannot be joined."""
    return InputError(
        f"{folder.path} saw other data than {first.path}: join runs of the same data, image size "
        "and seed"
    )


def is_cascade(folder: RunFolder) -> bool:
    """Whether this is what `moesaic cascade` wrote: a model and a result, but no run."""
    if folder.config_file.is_file():
        return False
    try:
        told = json.loads(folder.result_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get("kind") == "cascade"


def open_folder(path: str | Path) -> RunFolder:
    """Open an existing run directory.

    Raises:
        InputError: there is no run.
    """
    folder = RunFolder(Path(path))
    if is_cascade(folder):
        raise InputError(
            f"{path} is a cascade, not a run: predict, export and load_model take it; status, "
            "report and resume are for the runs that it came of"
        )
    if not folder.config_file.is_file():
        raise InputError(
            f"no run in {path}: expected a directory made by 'moesaic search' or 'moesaic campaign'"
        )
    return folder


def new_run_path(kind: str = "search", parent: Path = Path("runs")) -> Path:
    """Return the first free numbered directory under `parent` for a run of this kind."""
    number = 1
    while (parent / f"{kind}-{number:03d}").exists():
        number += 1
        if number > 99_999:
            raise RunFailed(f"{parent} is full: give a directory with --out")
    return parent / f"{kind}-{number:03d}"


def read_result(folder: RunFolder) -> dict[str, Any]:
    """Return what `result.json` holds.

    Raises:
        InputError: the run is not finished.
        DamagedRun: the file is damaged.
    """
    try:
        text = folder.result_file.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(
            f"the run in {folder.path} is not finished: "
            f"continue it with moesaic resume {folder.path}"
        ) from None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "status" not in found:
        raise DamagedRun(
            f"{folder.result_file} is damaged: delete it, then moesaic resume {folder.path} "
            "writes it again"
        )
    found["run"] = str(folder.path)  # it may have been moved or copied since
    return found


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON whole or not at all; numbers that are not finite become null."""
    text = json.dumps(_finite(value), indent=1, allow_nan=False)
    write_atomic(path, lambda file: file.write(text.encode()) and None)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
