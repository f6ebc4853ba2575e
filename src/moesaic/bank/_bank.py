"""The bank: every planned trial, what came of it and the files beside; it trains nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, insert, select, update

from moesaic.bank import _queries as queries
from moesaic.bank._codec import clean_text, dump, observation_values, to_observation, to_trial
from moesaic.bank._database import Database
from moesaic.bank._files import read_predictions
from moesaic.bank._opening import create_database, open_database
from moesaic.bank._records import CAUSES, Kind, Observation, Status, Trial
from moesaic.bank._schema import meta, observations, trials
from moesaic.errors import InputError, RunFailed


@dataclass(frozen=True)
class Failure:
    """A trial that failed: one of `CAUSES`, one line for a person, the whole traceback."""

    trial: Trial
    cause: str
    message: str
    traceback: str


class Counts(TypedDict):
    """How many pieces of work are in which status; `causes` splits up the failed ones."""

    planned: int
    running: int
    done: int
    failed: int
    causes: dict[str, int]


class Bank:
    """All trials of a run with their observations, predictions and weights.

    The same key is the same work: it is stored, trained and counted once, whichever places
    (stage, index) ask for it. A trial goes planned -> running -> done or failed; `done` and
    `failed` never change again. Every method is one transaction, on disk when it returns, so
    the process can be killed at any instant. Safe to share between threads.

    Methods that take `stage` answer for the places of that stage, in order of index; without it
    every key appears once, at its first place, stages in the order in which they were planned.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        """Wrap an open database; use `Bank.create` or `Bank.open`."""
        self.folder = folder
        self._database = database

    @classmethod
    def create(cls, folder: Path, url: str | None = None, *, fingerprint: str) -> Self:
        """Start an empty bank.

        Args:
            folder: the run directory, made when missing.
            url: a database URL; None for SQLite in the folder.
            fingerprint: identifies data and configuration; kept as meta value "fingerprint".

        Raises:
            InputError: there is a run already, or the database cannot be used.
        """
        return cls(folder, create_database(folder, url, fingerprint))

    @classmethod
    def open(cls, folder: Path, url: str | None = None) -> Self:
        """Open the bank of a run and remove temporary files that a killed writer left.

        Raises:
            InputError: there is no run, it is damaged, or a newer moesaic wrote it.
        """
        return cls(folder, open_database(folder, url))

    def plan(self, planned: Sequence[Trial]) -> None:
        """Record trials that are to be run; what is known already stays as it is.

        Raises:
            InputError: a place is already taken by other work.
        """
        with self._database.write() as connection:
            queries.add(connection, planned, time.time())

    def start(self, key: str) -> None:
        """Mark a planned trial as running and count the attempt.

        Raises:
            RunFailed: it is not waiting (unknown, or another process took it).
        """
        change = {
            "status": "running",
            "started_at": time.time(),
            "attempts": trials.c.attempts + 1,
        }
        self._move(key, ("planned",), change)

    def finish(
        self, observation: Observation, predictions: str | None, checkpoint: str | None
    ) -> None:
        """Record what a trial measured and mark it done, together.

        Args:
            observation: its trial must have been planned and must not be finished.
            predictions: what `save_predictions` returned; the file is in place.
            checkpoint: what `save_checkpoint` returned; the file is in place.

        Raises:
            RunFailed: the trial is not open, or a file is not there.
        """
        for name in (predictions, checkpoint):
            if name is not None and not self._path(name).is_file():
                raise RunFailed(f"trial {observation.trial.key} names a missing file {name}")
        key = observation.trial.key
        values = observation_values(observation)
        values |= {"trial_key": key, "predictions": predictions, "checkpoint": checkpoint}
        change = {"status": "done", "finished_at": time.time()}
        self._move(key, ("planned", "running"), change, values)

    def fail(self, key: str, cause: str, message: str, traceback: str) -> None:
        """Record why a trial failed; it is never run again under this key.

        Args:
            key: a planned or running trial.
            cause: one of `CAUSES`.
            message: one line for a person.
            traceback: the whole text, "" where there is none.

        Raises:
            RunFailed: the trial is not open.
            InputError: the cause is not one of `CAUSES`.
        """
        if cause not in CAUSES:
            raise InputError(f"cause '{cause}' of a failure: expected one of {', '.join(CAUSES)}")
        change = {
            "status": "failed",
            "finished_at": time.time(),
            "cause": cause,
            "message": clean_text(message),
            "traceback": clean_text(traceback),
        }
        self._move(key, ("planned", "running"), change)

    def requeue_running(self) -> int:
        """Make running trials planned again and return how many; for a resume, when nobody runs."""
        with self._database.write() as connection:
            change = update(trials).where(trials.c.status == "running").values(status="planned")
            return int(connection.execute(change).rowcount)

    def trial(self, key: str) -> Trial:
        """Return the trial at its first place; InputError when it was never planned."""
        with self._database.read() as connection:
            row = connection.execute(queries.placed(key=key)).first()
        if row is None:
            raise _unknown(key)
        return to_trial(row)

    def status(self, key: str) -> Status | None:
        """Return planned, running, done or failed; None when it was never planned."""
        with self._database.read() as connection:
            found: Status | None = connection.execute(
                select(trials.c.status).where(trials.c.key == key)
            ).scalar()
        return found

    def trials(
        self, stage: str | None = None, status: Status | None = None, kind: Kind | None = None
    ) -> list[Trial]:
        """Return the trials that match, ordered as the class says."""
        with self._database.read() as connection:
            rows = connection.execute(queries.placed(stage, status, kind)).all()
        return [to_trial(row) for row in queries.once(rows, stage)]

    def observation(self, key: str) -> Observation:
        """Return what a trial measured; InputError when it is not done."""
        with self._database.read() as connection:
            row = connection.execute(queries.observed(key=key)).first()
        if row is None:
            raise InputError(f"trial '{key}' has no observation: it is {self.status(key)}")
        return to_observation(row)

    def observations(self, stage: str | None = None, kind: Kind | None = None) -> list[Observation]:
        """Return what finished trials measured, ordered by place as the class says."""
        with self._database.read() as connection:
            rows = connection.execute(queries.observed(stage, kind)).all()
        return [to_observation(row) for row in queries.once(rows, stage)]

    def failures(self) -> list[Failure]:
        """Return every failed trial with its cause, ordered by place."""
        with self._database.read() as connection:
            rows = connection.execute(queries.placed(status="failed")).all()
        return [
            Failure(to_trial(row), row.cause, row.message, row.traceback)
            for row in queries.once(rows, None)
        ]

    def counts(self) -> Counts:
        """Return how many keys are in which status, and the failed ones by cause."""
        counts = Counts(planned=0, running=0, done=0, failed=0, causes={})
        query = (
            select(trials.c.status, trials.c.cause, func.count().label("n"))
            .group_by(trials.c.status, trials.c.cause)
            .order_by(trials.c.cause)
        )
        with self._database.read() as connection:
            for row in connection.execute(query):
                status: Status = row.status
                counts[status] += row.n
                if row.cause is not None:
                    counts["causes"][row.cause] = row.n
        return counts

    def predictions(self, key: str) -> NDArray[np.float16]:
        """Return log-probabilities on the validation split, float16 (N_val, classes).

        Raises:
            InputError: the trial is not done or kept no predictions.
            RunFailed: the file is missing or damaged.
        """
        name = self._file(key, "predictions")
        if name is None:
            raise InputError(f"trial '{key}' kept no predictions")
        return read_predictions(self._path(name))

    def checkpoint(self, key: str) -> Path | None:
        """Return the file that holds a trial's weights (safetensors), None when none was kept."""
        name = self._file(key, "checkpoint")
        return None if name is None else self._path(name)

    def meta(self, name: str) -> Any:
        """Return what `set_meta` stored under this name, None when nothing was."""
        with self._database.read() as connection:
            text = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
        return None if text is None else json.loads(text)

    def set_meta(self, name: str, value: Any) -> None:
        """Store a JSON-able value under a name, replacing the one before."""
        with self._database.write() as connection:
            changed = connection.execute(
                update(meta).where(meta.c.name == name).values(value=dump(value))
            )
            if not changed.rowcount:
                connection.execute(insert(meta).values(name=name, value=dump(value)))

    def close(self) -> None:
        """Close the database; everything is on disk already."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _move(
        self,
        key: str,
        allowed: tuple[Status, ...],
        change: dict[str, Any],
        observed: dict[str, Any] | None = None,
    ) -> None:
        """Change a trial's status if it is in an allowed one, and add its observation with it."""
        guard = (trials.c.key == key) & trials.c.status.in_(allowed)
        with self._database.write() as connection:
            if connection.execute(update(trials).where(guard).values(**change)).rowcount:
                if observed is not None:
                    connection.execute(insert(observations).values(**observed))
                return
        raise RunFailed(
            f"trial {key} cannot become {change['status']}: it is "
            f"{self.status(key) or 'not planned'}, expected {' or '.join(allowed)}"
        )

    def _file(self, key: str, column: str) -> str | None:
        with self._database.read() as connection:
            query = select(observations.c[column]).where(observations.c.trial_key == key)
            row = connection.execute(query).first()
        if row is None:
            raise InputError(f"trial '{key}' has no files: it is {self.status(key)}")
        name: str | None = row[0]
        return name

    def _path(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise RunFailed(f"'{name}' lies outside the run directory {self.folder}")
        return path


def _unknown(key: str) -> InputError:
    return InputError(f"trial '{key}' was never planned in this run")
