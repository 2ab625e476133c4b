"""A SQLite ledger is opened only when everything that can be read in it is durable."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.record.database import open_engine, open_engine_read_only, writing
from ledger.record.errors import DatabaseUnavailable
from tests.databases import migrated_engine, sqlite_file_url

# Byte 121 of the shared memory is SQLite's lock on writing its log back (its walformat.html).
_HOLDER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as memory:
    fcntl.lockf(memory, fcntl.LOCK_EX, 1, 121)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Path]:
    """A ledger file that is in use, with commits in SQLite's log."""
    with migrated_engine(sqlite_file_url(tmp_path)):
        yield tmp_path / "ledger.sqlite"


@contextmanager
def another_process_writes_back(file: Path) -> Iterator[None]:
    memory = file.with_name(f"{file.name}-shm")
    command = [sys.executable, "-c", _HOLDER, str(memory)]
    # It holds the lock until its standard input is closed.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield


def test_opening_writes_back_what_the_log_holds(written: Path) -> None:
    size_before = written.stat().st_size

    open_engine(f"sqlite:///{written}").dispose()

    assert written.stat().st_size > size_before


def test_opening_for_an_audit_writes_nothing_back(written: Path) -> None:
    before = written.read_bytes()

    open_engine_read_only(f"sqlite:///{written}").dispose()

    assert written.read_bytes() == before


def test_who_comes_while_another_writes_back_syncs_the_log_himself(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
    )
    with another_process_writes_back(written):
        engine = open_engine(f"sqlite:///{written}")

    assert synced == [f"{written}-wal"]
    with writing(engine) as connection:
        assert connection.exec_driver_sql("SELECT size FROM head").scalar_one() == 0
    engine.dispose()


def test_a_log_that_cannot_be_synced_is_not_read(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with another_process_writes_back(written), pytest.raises(DatabaseUnavailable) as refused:
        open_engine(f"sqlite:///{written}")

    assert refused.value.reason == "cannot sync ledger.sqlite-wal: Input/output error"
