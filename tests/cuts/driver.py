"""The part of `sqlite3` that the product uses, over apsw, which can be given a file system.

Result codes become the exceptions that `sqlite3` makes of them; nothing else is decided here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import apsw

_OPERATIONAL = {
    *(apsw.SQLITE_ERROR, apsw.SQLITE_PERM, apsw.SQLITE_ABORT, apsw.SQLITE_BUSY),
    *(apsw.SQLITE_LOCKED, apsw.SQLITE_READONLY, apsw.SQLITE_INTERRUPT, apsw.SQLITE_IOERR),
    *(apsw.SQLITE_FULL, apsw.SQLITE_CANTOPEN, apsw.SQLITE_PROTOCOL, apsw.SQLITE_SCHEMA),
}
_INTEGRITY = {apsw.SQLITE_CONSTRAINT, apsw.SQLITE_MISMATCH}


def connect(
    database: str,
    *,
    vfs: str,
    uri: bool,
    timeout: float,
    check_same_thread: bool,
    isolation_level: None,
) -> DriverConnection:
    """Open a file through the file system of this name, as `sqlite3.connect` would."""
    assert uri
    assert not check_same_thread
    assert isolation_level is None
    flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with _translated():
        connection = apsw.Connection(database, flags=flags, vfs=vfs, statementcachesize=100)
        connection.set_busy_timeout(int(timeout * 1000))
    return DriverConnection(connection)


class DriverConnection:
    """What `sqlite3.Connection` is to SQLAlchemy, without transactions of its own."""

    isolation_level = None

    def __init__(self, connection: apsw.Connection) -> None:
        self.apsw = connection

    def cursor(self) -> DriverCursor:
        return DriverCursor(self.apsw)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> DriverCursor:
        cursor = self.cursor()
        cursor.execute(statement, parameters)
        return cursor

    def create_function(self, name: str, arguments: int, function: Any, **_: Any) -> None:
        self.apsw.create_scalar_function(name, function, arguments)

    def commit(self) -> None:
        if self.apsw.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.apsw.in_transaction:
            self.execute("ROLLBACK")

    def checkpoint_after(self, pages: int) -> None:
        """Do what `PRAGMA wal_autocheckpoint` does.

        SQLite ignores what fails then, for the commit has happened; apsw would raise it.
        """

        def write_back(connection: apsw.Connection, database: str, found: int) -> int:
            if found >= pages:
                with suppress(apsw.Error):
                    connection.wal_checkpoint(database, apsw.SQLITE_CHECKPOINT_PASSIVE)
            return apsw.SQLITE_OK

        self.apsw.set_wal_hook(write_back)

    def close(self) -> None:
        # SQLite closes whatever happens; apsw tells of what failed meanwhile.
        with suppress(apsw.Error):
            self.apsw.close()


class DriverCursor:
    """What `sqlite3.Cursor` is to SQLAlchemy; all rows of a statement are read at once."""

    arraysize = 1

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.description: tuple[Any, ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> DriverCursor:
        return self._run(statement, [parameters])

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> DriverCursor:
        return self._run(statement, parameters)

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        return list(islice(self._rows, self.arraysize if size is None else size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def close(self) -> None:
        self._rows = iter(())

    def _run(self, statement: str, parameters: Sequence[Sequence[Any]]) -> DriverCursor:
        self.description = None
        before = self._connection.total_changes()
        cursor = self._connection.cursor()
        cursor.exec_trace = self._describe
        rows: list[tuple[Any, ...]] = []
        with _translated():
            for each in parameters:
                rows += cursor.execute(statement, each)
        self._rows = iter(rows)
        self.rowcount = -1 if self.description else self._connection.total_changes() - before
        self.lastrowid = self._connection.last_insert_rowid()
        return self

    def _describe(self, cursor: apsw.Cursor, _statement: str, _parameters: Any) -> bool:
        columns = cursor.get_description()
        if columns:
            self.description = tuple((name, *[None] * 6) for name, _ in columns)
        return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        # Without a result code it is apsw that was misused.
        code = getattr(error, "result", apsw.SQLITE_MISUSE) & 0xFF
        raise _kind(code)(str(error)) from error


def _kind(code: int) -> type[sqlite3.Error]:
    if code in _OPERATIONAL:
        return sqlite3.OperationalError
    if code in _INTEGRITY:
        return sqlite3.IntegrityError
    if code in {apsw.SQLITE_MISUSE, apsw.SQLITE_RANGE}:
        return sqlite3.InterfaceError
    return sqlite3.DatabaseError
