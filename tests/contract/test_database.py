"""Databases are opened so that an acknowledged commit is durable, or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import make_url

import ledger.record.database
from ledger.record.database import open_engine, open_engine_read_only, reading, writing
from ledger.record.errors import (
    DatabaseDamaged,
    DatabaseUnavailable,
    UnsafeDatabase,
)
from ledger.record.reader import LedgerReader
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import check_schema
from tests.contract.making import fill, make_entry
from tests.databases import fresh_postgres_database, migrated_engine, open_recorder, sqlite_file_url


def test_sqlite_is_set_up_for_durable_commits(sqlite_url: str) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "page_size": 4096,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "wal_autocheckpoint": 4000,
    }
    with migrated_engine(sqlite_url) as engine, reading(engine) as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}

    assert found == wanted


def test_a_write_transaction_takes_the_write_lock_first(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that both read first would meet at the write, and one would fail half-way."""
    monkeypatch.setattr(ledger.record.database, "_BUSY_SECONDS", 0)
    with (
        migrated_engine(sqlite_url) as engine,
        writing(engine),
        pytest.raises(DatabaseUnavailable, match="database is locked") as refused,
        writing(engine),
    ):
        pytest.fail("a second writer got in")

    assert refused.value.reason == "database is locked"


def test_readers_do_not_wait_for_a_writer(recorder: LedgerRecorder) -> None:
    fill(recorder, 1)

    with writing(recorder.engine):
        assert recorder.entry_at(0) == make_entry(0)


@pytest.mark.parametrize("name", ["a b.sqlite", "50%25?.sqlite#x", "印证.sqlite"])
def test_any_file_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    url = make_url("sqlite://").set(database=str(tmp_path / name))

    open_engine(url.render_as_string()).dispose()

    assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////tmp/x?mode=memory",
        "mysql://localhost/x",
        "postgresql+asyncpg://localhost/x",
        "nonsense",
        "sqlite:////no/such/folder/ledger.sqlite",
        "postgresql://127.0.0.1:1/none",
    ],
)
@pytest.mark.parametrize("open_it", [open_engine, open_engine_read_only])
def test_what_cannot_be_opened_is_refused_by_name(url: str, open_it: object) -> None:
    with pytest.raises(DatabaseUnavailable, match="nothing was changed"):
        open_it(url)


def test_no_error_shows_the_password() -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        open_engine("postgresql://ann:hunter2@127.0.0.1:1/none")

    assert "hunter2" not in str(refused.value)
    assert refused.value.database == "postgresql+psycopg://ann:***@127.0.0.1:1/none"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_uses_psycopg_3(postgres_url: str, scheme: str) -> None:
    url = postgres_url.replace("postgresql+psycopg", scheme, 1)

    engine = open_engine(url)

    engine.dispose()
    assert engine.dialect.driver == "psycopg"


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_server_that_acknowledges_too_early_is_refused(postgres_url: str, setting: str) -> None:
    with migrated_engine(postgres_url) as engine, writing(engine) as connection:
        connection.exec_driver_sql(f"ALTER ROLE postgres SET {setting} = off")
    try:
        with pytest.raises(UnsafeDatabase) as refused:
            open_engine(postgres_url)
        assert (refused.value.setting, refused.value.found) == (setting, "off")
    finally:
        engine = open_engine_read_only(postgres_url)
        with engine.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ WRITE")
            connection.exec_driver_sql(f"ALTER ROLE postgres RESET {setting}")
            connection.commit()
        engine.dispose()


@pytest.mark.parametrize("open_it", [open_engine, open_engine_read_only])
def test_a_file_of_another_kind_is_called_damaged(tmp_path: Path, open_it: object) -> None:
    url = sqlite_file_url(tmp_path)
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, but long enough to be one" * 99)

    with pytest.raises(DatabaseDamaged, match="file is not a database"):
        open_it(url)


def test_a_read_only_database_is_read_and_not_written(database_url: str) -> None:
    with open_recorder(database_url) as recorder:
        fill(recorder, 1)
    engine = open_engine_read_only(database_url)
    check_schema(engine)

    assert LedgerReader(engine).entry_at(0) == make_entry(0)
    with pytest.raises(DatabaseUnavailable, match=r"read.?only"):
        fill(LedgerRecorder(engine), 1)

    assert LedgerReader(engine).head().size == 1
    engine.dispose()


def test_opening_read_only_creates_no_file(sqlite_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="unable to open database file"):
        open_engine_read_only(sqlite_url)

    assert not Path(str(make_url(sqlite_url).database)).exists()


def test_a_full_disk_is_refused_before_commit(sqlite_url: str) -> None:
    with open_recorder(sqlite_url) as recorder:
        fill(recorder, 1)
        with writing(recorder.engine) as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        with recorder.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        with pytest.raises(DatabaseUnavailable, match="database or disk is full"):
            fill(recorder, 2000)

        assert recorder.head().size == 1


def test_two_ledgers_on_one_server_do_not_meet(postgres_server_url: str) -> None:
    with (
        fresh_postgres_database(postgres_server_url) as one,
        fresh_postgres_database(postgres_server_url) as two,
        open_recorder(one) as first,
        open_recorder(two) as second,
    ):
        fill(first, 2)

        assert (first.head().size, second.head().size) == (2, 0)


def test_an_old_sqlite_file_in_another_journal_mode_becomes_wal(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE mine (x)")
    other.close()

    with migrated_engine(sqlite_file_url(tmp_path)) as engine, reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
