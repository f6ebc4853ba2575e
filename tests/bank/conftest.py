"""Where the bank's tests keep their banks: SQLite, and PostgreSQL where one is given.

MOESAIC_TEST_POSTGRES_URL names a PostgreSQL database in which schemas may be made and dropped.
"""

import os
import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text

POSTGRES = "MOESAIC_TEST_POSTGRES_URL"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> Iterator[str | None]:
    """The URL of an empty database; None means SQLite in the run directory."""
    if request.param == "sqlite":
        yield None
        return
    given = os.environ.get(POSTGRES)
    if not given:
        pytest.skip(f"{POSTGRES} is not set")
    base = make_url(given).set(drivername="postgresql+psycopg")
    schema = f"test_{secrets.token_hex(6)}"
    admin = create_engine(base, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield base.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(
        hide_password=False
    )
    with admin.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()
