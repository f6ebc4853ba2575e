"""Making and opening the database of a run, with every refusal in one line; it reads no trials."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import insert

from moesaic.bank._codec import dump
from moesaic.bank._database import Database, as_it_lies, database_url, sqlite_file
from moesaic.bank._files import CHECKPOINTS, PREDICTIONS, full_disk_is_clear, remove_leftovers
from moesaic.bank._schema import create, meta, migrate, newest_version, present_version
from moesaic.errors import InputError, RunFailed

FINGERPRINT = "fingerprint"


def create_database(folder: Path, url: str | None, fingerprint: str) -> Database:
    """Make the run directory and an empty bank, in one transaction.

    Raises:
        InputError: a run exists already, or the folder or database cannot be used.
    """
    try:
        with full_disk_is_clear(folder):
            for name in (PREDICTIONS, CHECKPOINTS):
                (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the run directory {folder}: {error.strerror}") from error
    database = Database(database_url(folder, url))
    try:
        with database.write() as connection:
            if present_version(connection):
                raise InputError(
                    f"there is a run in {folder if url is None else database.name} already: "
                    "resume it or choose another place"
                )
            create(connection)
            connection.execute(insert(meta).values(name=FINGERPRINT, value=dump(fingerprint)))
    except RunFailed as error:
        database.close()
        raise InputError(f"cannot start a run: {error}") from error
    except InputError:
        database.close()
        raise
    return database


def open_database(folder: Path, url: str | None) -> Database:
    """Open the database of a run, migrate it and remove temporary files left by a kill.

    Raises:
        InputError: there is no run, it is damaged, or a newer moesaic wrote it.
    """
    parsed = database_url(folder, url)
    file = sqlite_file(parsed)
    if not folder.is_dir() or (file is not None and not file.is_file()):
        raise InputError(
            f"there is no run in {folder}: expected {file or 'a run directory'}; if it was lost, "
            "put it back from a copy"
        )
    database = Database(as_it_lies(parsed) if file is not None and _only_read(file) else parsed)
    try:
        _check(database, folder)
    except RunFailed as error:
        database.close()
        mend = "put the file back from a copy, or begin a new run"
        if file is None:
            mend = "see that the database can be reached"
        elif "readonly" in str(error) or "read-only" in str(error):
            mend = "copy the run to a place of your own"
        raise InputError(f"the run in {folder} cannot be read: {error}; {mend}") from error
    except InputError:
        database.close()
        raise
    remove_leftovers(folder)
    return database


def _only_read(file: Path) -> bool:
    """Whether a SQLite file can be read but not written, and no log beside it holds the rest."""
    ours = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
    log = file.with_name(f"{file.name}-wal")
    return not ours and not (log.exists() and log.stat().st_size)


def _check(database: Database, folder: Path) -> None:
    with database.read() as connection:
        if connection.dialect.name == "sqlite":
            verdict = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
            if verdict != "ok":
                reason = verdict.strip().splitlines()[-1]
                raise RunFailed(f"the database {database.name} is damaged: {reason}")
        version = present_version(connection)
    if version == 0:
        raise InputError(
            f"there is no run in {folder}: the database {database.name} is empty; where a run was "
            "killed, the file beside it that ends in -wal holds the rest: put it back, if lost"
        )
    if version != newest_version():
        with database.write() as connection:
            migrate(connection, present_version(connection))
