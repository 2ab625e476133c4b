"""One market for the session, copies of it for each test, and pure functions that remember."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from ledger.log.export import export_log
from ledger.proof import pool, replay
from tests.tamper.copies import Copy, PostgresCopies, SqliteCopies
from tests.tamper.market import Market, market

_read_entry = lru_cache(maxsize=None)(replay.read_entry)
_verify = lru_cache(maxsize=None)(pool.verify)


@pytest.fixture(scope="session")
def the_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(tmp_path_factory.mktemp("market")) as made:
        yield made


@pytest.fixture(scope="session")
def sqlite_copies(the_market: Market) -> SqliteCopies:
    return SqliteCopies(the_market)


@pytest.fixture(scope="session")
def postgres_copies(the_market: Market, postgres_server_url: str) -> Iterator[PostgresCopies]:
    made = PostgresCopies(the_market, postgres_server_url)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def copy(request: pytest.FixtureRequest) -> Iterator[Copy]:
    """A copy of the ledger in a database without guards; the test runs once on each kind."""
    name = "sqlite_copies" if request.param == "sqlite" else "postgres_copies"
    copies: SqliteCopies | PostgresCopies = request.getfixturevalue(name)
    with copies.take() as made:
        yield made


@pytest.fixture
def sqlite_copy(sqlite_copies: SqliteCopies) -> Iterator[Copy]:
    with sqlite_copies.take() as made:
        yield made


@pytest.fixture
def _afresh() -> None:
    """Ask for this to audit without remembered answers."""


@pytest.fixture(autouse=True)
def _remembered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of audits of nearly the same entries: reading and verifying the same bytes is once.

    Both functions depend on nothing but their arguments, and only what they accept is remembered.
    """
    if "_afresh" not in request.fixturenames:
        monkeypatch.setattr(replay, "read_entry", _read_entry)
        monkeypatch.setattr(pool, "verify", _verify)


@pytest.fixture(scope="session")
def log_folder(the_market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole log as exported; for copies only."""
    folder = tmp_path_factory.mktemp("exported") / "log"
    export_log(the_market.world.reader, folder)
    return folder
