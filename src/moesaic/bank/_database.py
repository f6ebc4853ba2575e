"""One connection pool to SQLite or any other database by URL; it knows no tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from moesaic.bank._files import disk_full
from moesaic.errors import InputError, MoesaicError, RunFailed

FILE = "moesaic.db"
_LOCK_SECONDS = 30
_AS_IT_LIES = "?immutable=1"


def database_url(folder: Path, url: str | None) -> URL:
    """Return the parsed URL; without one, the SQLite file in the run directory.

    Raises:
        InputError: the text is no database URL.
    """
    if url is None:
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(
            f"storage '{url}' is not a database URL: expected something like "
            "postgresql://user@host/name"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite URL, None for any other database."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(url.database)


def as_it_lies(url: URL) -> URL:
    """Return the URL of a SQLite file that nobody may write: read as it lies, without a lock."""
    place = quote(str(Path(url.database or "").absolute()))
    return url.set(database=f"file:{place}{_AS_IT_LIES}", query={"uri": "true"})


class Database:
    """A pool of connections with explicit read and write transactions. Thread-safe."""

    def __init__(self, url: URL) -> None:
        self.name = url.render_as_string(hide_password=True)
        self._engine = _engine(url)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection for queries; each of them sees one consistent state."""
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose changes are committed together at the end, or not at all."""
        with self._translated(), self._engine.connect() as plain:
            connection = plain.execution_options(moesaic_write=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection; SQLite then folds its write-ahead log into the database."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except MoesaicError:
            raise
        except (DBAPIError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            if "disk is full" in reason or "No space left" in reason:
                raise disk_full(self.name) from error
            raise RunFailed(f"the database {self.name} refused: {reason}") from error


def _engine(url: URL) -> Engine:
    try:
        # pre_ping: a connection that idled through a long training may have been dropped
        engine = create_engine(url, pool_pre_ping=True)
    except NoSuchModuleError as error:
        raise InputError(
            f"no database driver for '{url.drivername}': use sqlite or postgresql"
        ) from error
    except ImportError as error:
        hint = "install moesaic[postgres]" if url.get_backend_name() == "postgresql" else "add it"
        raise InputError(f"the driver of '{url.drivername}' is not installed: {hint}") from error
    if engine.dialect.name == "sqlite":
        if not (url.database or "").endswith(_AS_IT_LIES):
            event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, DDL included
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_LOCK_SECONDS * 1000}",
        "foreign_keys=ON",
        "journal_mode=WAL",
        # A commit is fsynced before it returns: NORMAL would lose the last ones with the power,
        # and one fsync is nothing beside a training.
        "synchronous=FULL",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read snapshot later fails without waiting.
    write = connection.get_execution_options().get("moesaic_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
