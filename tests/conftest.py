"""Fixtures that every room's tests may use: databases and the shared data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.record.recorder import LedgerRecorder
from tests.databases import (
    fresh_postgres_database,
    open_recorder,
    postgres_server,
    sqlite_file_url,
)
from tests.plugin import shared_folder


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return sqlite_file_url(tmp_path)


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """URL of the session's PostgreSQL server; skips where the package for it is missing."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database of the test's own."""
    with fresh_postgres_database(postgres_server_url) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database; the test runs once on each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def recorder(database_url: str) -> Iterator[LedgerRecorder]:
    """A production recorder on an up-to-date database of each kind."""
    with open_recorder(database_url) as opened:
        yield opened


@pytest.fixture
def shared_dir() -> Path:
    """The folder of the shared data; for tests marked `shared_data`."""
    return shared_folder()
