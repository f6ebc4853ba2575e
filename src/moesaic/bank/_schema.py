"""The tables of the bank and how an older schema becomes the present one; it runs no queries."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
    update,
)

from moesaic.errors import InputError

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("value", Text, nullable=False),
)

# One row per piece of work. Columns that hold JSON are text: what is read is what was written.
trials = Table(
    "trials",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("architecture", Text),
    Column("subset", Text),
    Column("recipe", Text, nullable=False),
    Column("parent", String(64)),
    Column("payload", Text, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("cause", String(32)),
    Column("message", Text),
    Column("traceback", Text),
    Column("attempts", Integer, nullable=False),
    Column("planned_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
)

# Which stage and index asked for which work; `id` keeps the order of planning.
places = Table(
    "places",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("stage", String(200), nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("trial_key", String(64), ForeignKey("trials.key"), nullable=False, index=True),
    UniqueConstraint("stage", "idx"),
)

observations = Table(
    "observations",
    metadata,
    Column("trial_key", String(64), ForeignKey("trials.key"), primary_key=True),
    Column("loss", Text, nullable=False),
    Column("accuracy", Text, nullable=False),
    Column("macs", BigInteger, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("peak_memory", BigInteger, nullable=False),
    Column("extra", Text, nullable=False),
    Column("predictions", String(200)),
    Column("checkpoint", String(200)),
)


# MIGRATIONS[n] brings schema n + 1 to n + 2. A change of the tables above is a new entry here;
# a new bank is created from the tables as they are and never migrated.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = ()


def newest_version() -> int:
    """Return the schema version of the tables above."""
    return 1 + len(MIGRATIONS)


def present_version(connection: Connection) -> int:
    """Return the schema's version, 0 where the database holds no bank."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(select(schema_version.c.version)).scalar() or 0


def migrate(connection: Connection, version: int) -> None:
    """Bring schema `version` to the present one, inside the caller's transaction.

    Raises:
        InputError: the schema is newer than this moesaic.
    """
    newest = newest_version()
    if version > newest:
        raise InputError(
            f"the run was written by a newer moesaic (schema {version}, this one reads up to "
            f"{newest}): upgrade moesaic"
        )
    for step in MIGRATIONS[version - 1 :]:
        step(connection)
    if version < newest:
        connection.execute(update(schema_version).values(version=newest))


def create(connection: Connection) -> None:
    """Create every table at the newest version, inside the caller's transaction."""
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version=newest_version()))
