"""Opening a database so that an acknowledged commit is durable, and running transactions on it.

SQLite: WAL, synchronous=FULL, write transactions take the write lock first (BEGIN IMMEDIATE).
PostgreSQL: psycopg 3, READ COMMITTED; servers that acknowledge before they have written are
refused, and so is any notice during COMMIT (a cancelled wait for a replica says so by a notice).

This is the only module that begins or ends a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from eventsourcing.persistence import IntegrityError
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event, exc, make_url
from sqlalchemy.engine import URL

from ledger.crashpoints import CrashPoint, reach
from ledger.record.errors import (
    DatabaseDamaged,
    DatabaseUnavailable,
    OutcomeUnknown,
    TransactionAborted,
    UnsafeDatabase,
)
from ledger.record.sqlite_files import SettledConnections, SystemFiles

_SYSTEM: Final = SystemFiles()
_WRITES: Final = "ledger_writes"
_NOTICES: Final = "ledger_notices"
_BUSY_SECONDS: Final = 10
_SQLITE_PRAGMAS: Final = (
    # The page size counts only before the first page exists, so it comes before WAL.
    "PRAGMA page_size = 4096",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # With it, INSERT OR REPLACE fires the triggers that refuse DELETE.
    "PRAGMA recursive_triggers = ON",
    "PRAGMA trusted_schema = OFF",
    # 16 MiB: whoever waits for the commit that writes them back waits about ten milliseconds.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA cache_size = -65536",
)
_UNREADABLE: Final = "(unreadable)"
# Serialization failure and deadlock: such a transaction is rolled back, also when COMMIT says so.
_GIVEN_UP: Final = frozenset({"40001", "40P01"})
_COMMIT: Final = "synchronous_commit"
_STANDBYS: Final = "synchronous_standby_names"
_MUST_BE_ON: Final = ("fsync", _COMMIT)


def open_engine(url: str, *, files: SystemFiles = _SYSTEM) -> Engine:
    """Open the database of one ledger for reading and writing.

    Args:
        url: `sqlite:///PATH`, or `postgresql://...` (also `postgres://`, `postgresql+psycopg://`).
        files: Opens and syncs the files of SQLite; a test of what disks do gives its own.

    Raises:
        DatabaseUnavailable: It cannot be opened, or the URL names no database of these kinds.
        DatabaseDamaged: The file is no SQLite database.
        UnsafeDatabase: The server would acknowledge a commit before it is durable.

    """
    return _open(_normal(url), read_only=False, files=files)


def open_engine_read_only(url: str) -> Engine:
    """Open an existing database for an audit: nothing can be written through this engine.

    Args:
        url: As for `open_engine`.

    Raises:
        DatabaseUnavailable: It does not exist or cannot be opened.
        DatabaseDamaged: The file is no SQLite database.

    """
    return _open(_normal(url), read_only=True, files=_SYSTEM)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection in one read transaction, with the errors of the storage room."""
    with translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in one write transaction, committed when the block ends well.

    Raises:
        DatabaseUnavailable: The database refused before COMMIT; nothing was changed.
        TransactionAborted: The database gave it up for another one; nothing was changed.
        eventsourcing.persistence.IntegrityError: A constraint or a trigger refused.
        OutcomeUnknown: COMMIT was sent and gave no clear answer.

    """
    with translated(engine), engine.connect() as connection, _begin(connection) as transaction:
        yield connection
        notices: list[str] = connection.info.get(_NOTICES, [])
        notices.clear()
        reach(CrashPoint.BEFORE_COMMIT)
        try:
            transaction.commit()
            reach(CrashPoint.COMMIT_SENT)
        except Exception as error:
            _check_given_up(error)
            # Whatever broke the answer, the commit itself may have happened.
            connection.invalidate()
            raise OutcomeUnknown(str(error)) from error
        if notices:
            raise OutcomeUnknown("; ".join(notices))


def _begin(connection: Connection) -> RootTransaction:
    """Begin a transaction that writes."""
    connection.info[_WRITES] = True
    return connection.begin()


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the errors of SQLAlchemy, and of SQLite's driver, into those of the storage room."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise IntegrityError(str(error)) from error
    except (sqlite3.OperationalError, sqlite3.InterfaceError) as error:
        raise DatabaseUnavailable(_name(engine), _reason(error)) from error
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(_name(engine), _reason(error)) from error
    except exc.IntegrityError as error:
        raise IntegrityError(str(error.orig)) from error
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        _check_given_up(error)
        raise DatabaseUnavailable(_name(engine), _reason(error)) from error
    except exc.DatabaseError as error:
        if isinstance(error.orig, sqlite3.DatabaseError):
            raise DatabaseDamaged(_name(engine), _reason(error)) from error
        raise DatabaseUnavailable(_name(engine), _reason(error)) from error


def _check_given_up(error: Exception) -> None:
    """Raise `TransactionAborted` if the database says that it rolled the transaction back."""
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    if sqlstate in _GIVEN_UP:
        raise TransactionAborted(sqlstate) from error


def _normal(url: str) -> URL:
    """Parse a URL and name the driver that this room uses."""
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        # The text itself may hold a password, and so may the words of the error.
        raise _unreadable() from None
    if "@" in (parsed.host or ""):
        # The end of a password that was not percent-encoded.
        raise _unreadable()
    if parsed.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise DatabaseUnavailable(_shown(parsed), "only SQLite and PostgreSQL are supported")
    if parsed.database in {None, "", ":memory:"} or parsed.query:
        raise DatabaseUnavailable(_shown(parsed), "a ledger on SQLite needs a plain file path")
    return parsed.set(drivername="sqlite+pysqlite")


def _unreadable() -> DatabaseUnavailable:
    return DatabaseUnavailable(_UNREADABLE, "not a database URL")


def _open(url: URL, *, read_only: bool, files: SystemFiles) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = _open_sqlite(url, read_only=read_only, files=files)
    else:
        options = {"options": "-c default_transaction_read_only=on"} if read_only else {}
        engine = create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            connect_args={"connect_timeout": _BUSY_SECONDS, **options},
        )
        event.listen(engine, "connect", _collect_notices)
    try:
        with reading(engine) as connection:
            if engine.dialect.name == "postgresql" and not read_only:
                _check_durable(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _open_sqlite(url: URL, *, read_only: bool, files: SystemFiles) -> Engine:
    path = Path(url.database or "").absolute()
    connect = partial(_connect_sqlite, path, read_only=read_only, files=files)
    if read_only:
        engine = create_engine(url, creator=connect)
    else:
        settled = SettledConnections(path, files, connect)
        engine = create_engine(url, creator=settled)
        event.listen(engine, "engine_disposed", lambda _engine: settled.close())
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _connect_sqlite(path: Path, *, read_only: bool, files: SystemFiles) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    connection = files.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        # The pool hands a connection to one thread at a time.
        check_same_thread=False,
        # Transactions begin in `_begin_sqlite`, never inside the driver.
        isolation_level=None,
    )
    try:
        _prepare_sqlite(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_sqlite(connection: sqlite3.Connection, *, read_only: bool) -> None:
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)
    if read_only:
        return
    found = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if found != "wal":
        setting = "journal_mode"
        raise UnsafeDatabase(setting, found=found)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that writes later can fail half-way with "database is locked".
    writes = connection.info.pop(_WRITES, False)
    # Straight to the driver: every transaction begins here, and SQLAlchemy's way costs tenfold.
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def _collect_notices(dbapi_connection: Any, record: Any) -> None:
    """Keep what the server says beside its answers; `writing` reads it after COMMIT."""
    notices: list[str] = []
    record.info[_NOTICES] = notices
    keep: Callable[[Any], None] = lambda notice: notices.append(str(notice.message_primary))  # noqa: E731
    dbapi_connection.add_notice_handler(keep)


def _check_durable(connection: Connection) -> None:
    found = {
        setting: str(connection.exec_driver_sql(f"SHOW {setting}").scalar_one())
        for setting in (*_MUST_BE_ON, _STANDBYS)
    }
    for setting in _MUST_BE_ON:
        if found[setting] == "off":
            raise UnsafeDatabase(setting, found="off")
    # Who names a standby relies on it, and this setting would not wait for it.
    if found[_STANDBYS] and found[_COMMIT] == "local":
        raise UnsafeDatabase(_COMMIT, found=f"local, though {_STANDBYS} is set")


def _name(engine: Engine) -> str:
    return _shown(engine.url)


def _shown(url: URL) -> str:
    # PostgreSQL takes a password, and names of files with secrets, as options too.
    return url.set(query={}).render_as_string(hide_password=True)


def _reason(error: Exception) -> str:
    origin = getattr(error, "orig", None)
    return " ".join(str(origin or error).split())
