"""A SQLite ledger is opened only when everything that can be read in it is durable.

What the disks do then is in tests/cuts; here is that the system is asked, and when.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from ledger.record.database import open_engine, open_engine_read_only, reading
from ledger.record.errors import DatabaseUnavailable
from ledger.record.sqlite_files import SystemFiles
from tests.databases import migrated_engine, sqlite_file_url


class Watched(SystemFiles):
    """Does what the system does, and remembers it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def connect(self, database: str, **options: object) -> sqlite3.Connection:
        self.done.append("connect")
        return super().connect(database, **options)

    def sync(self, path: Path) -> None:
        super().sync(path)
        self.done.append(f"sync {path.name}")

    def forget(self, path: Path) -> None:
        super().forget(path)
        self.done.append(f"forget {path.name}")


@pytest.fixture
def left_by_the_dead(tmp_path: Path) -> str:
    """URL of a ledger whose last process died: SQLite's log lies beside the file."""
    living, dead = tmp_path / "living", tmp_path / "dead"
    living.mkdir()
    dead.mkdir()
    with migrated_engine(sqlite_file_url(living)):
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            shutil.copy(living / name, dead / name)
    return sqlite_file_url(dead)


def test_the_log_is_synced_and_read_from_the_disk_before_the_first_connection(
    left_by_the_dead: str,
) -> None:
    files = Watched()

    open_engine(left_by_the_dead, files=files).dispose()

    log = "ledger.sqlite-wal"
    # The second connection is the one that is used.
    assert files.done == [f"sync {log}", f"forget {log}", "connect", f"sync {log}", "connect"]


def test_later_connections_need_no_sync(left_by_the_dead: str) -> None:
    files = Watched()
    engine = open_engine(left_by_the_dead, files=files)
    files.done.clear()

    with reading(engine), reading(engine), reading(engine):
        pass

    assert set(files.done) == {"connect"}
    engine.dispose()


def test_one_connection_stays_open_when_the_one_in_use_is_given_up(left_by_the_dead: str) -> None:
    """Were it the last, whoever comes next would take what a failed commit left for durable."""
    path = Path(left_by_the_dead.removeprefix("sqlite:///"))
    engine = open_engine(left_by_the_dead)

    with reading(engine) as connection:
        connection.invalidate()
    assert path.with_name("ledger.sqlite-shm").exists()

    engine.dispose()
    assert not path.with_name("ledger.sqlite-shm").exists()


@pytest.mark.parametrize("call", ["fsync", "posix_fadvise"])
def test_a_log_that_cannot_be_made_durable_is_not_read(
    left_by_the_dead: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, fail)

    with pytest.raises(DatabaseUnavailable) as refused:
        open_engine(left_by_the_dead)

    assert refused.value.reason == "SQLite's log: Input/output error"


def test_a_failed_second_sync_closes_what_was_opened(
    left_by_the_dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Watched()
    given: list[sqlite3.Connection] = []
    connect, sync = files.connect, files.sync

    def fail_after_connecting(path: Path) -> None:
        if given:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(path)

    def remember(database: str, **options: object) -> sqlite3.Connection:
        given.append(connect(database, **options))
        return given[-1]

    monkeypatch.setattr(files, "connect", remember)
    monkeypatch.setattr(files, "sync", fail_after_connecting)

    with pytest.raises(DatabaseUnavailable, match="SQLite's log: Input/output error"):
        open_engine(left_by_the_dead, files=files)

    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        given[0].execute("SELECT 1")


def test_opening_for_an_audit_asks_nothing_of_the_disk(
    left_by_the_dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("an audit synced a file"))

    open_engine_read_only(left_by_the_dead).dispose()
