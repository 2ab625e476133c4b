"""The book of payment notices: which command stands for which transaction of a provider.

A provider repeats a notice until it is answered, and not only then. Before a command is composed,
its id is reserved here for the provider's transaction number, durably; whoever is told of that
transaction again, in this process, another one or after a crash, composes under the same id, and
the log takes an id of a party once.

The book is a SQLite file beside the vault's keys: in no database, log or backup. It holds no number
but HMAC-SHA256(pepper, canonical(["yinzheng/notice/v1", provider, transaction])). What the log
itself says of transactions is learned from the vault, so that a book that was lost is written
again. Decision: docs/adr/0038.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from ledger.record.errors import NoticesUnavailable
from ledger.rules.canonical import encode

_TAG: Final = "yinzheng/notice/v1"
_PEPPER_MARK: Final = b"yinzheng/notice-pepper/v1"
_BUSY_S: Final = 10
_FILE_MODE: Final = 0o600
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS notice (
  mark BLOB PRIMARY KEY CHECK (length(mark) = 32), command_id TEXT NOT NULL,
  entry INTEGER, refunded INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
  id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, pepper BLOB NOT NULL);
"""


class Held(NamedTuple):
    """What the book says of a transaction.

    Attributes:
        command_id: The id that its command has, or must have.
        entry: Index of that command in the log; None while it is not known to be there.
        refunded: The provider told of a refund of it.

    """

    command_id: str
    entry: int | None
    refunded: bool


class Seen(NamedTuple):
    """A transaction that an entry of the log names in a sealed field."""

    provider: str
    transaction: str
    command_id: str
    entry: int


class NoticeBook:
    """The book of one ledger. Safe to share between threads, and processes of one machine."""

    def __init__(self, path: Path, pepper: bytes) -> None:
        """Open the book, or begin one.

        Args:
            path: Its file, made with mode 0600 when it is not there.
            pepper: A secret of this ledger; a book that was kept under another one is begun anew.

        Raises:
            NoticesUnavailable: It cannot be opened, or is no such book.

        """
        self._pepper = pepper
        self._lock = threading.Lock()
        with self._failures():
            # SQLite gives its journal the mode of this file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous=EXTRA")
        with self._writing() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            self._begin(connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def reserve(self, provider: str, transaction: str, command_id: str) -> Held:
        """Take a command id for a transaction, unless one was taken before.

        Args:
            provider: Whose transaction it is.
            transaction: Its number there.
            command_id: The id to take; a fresh one.

        Returns:
            What is held for the transaction now.

        Raises:
            NoticesUnavailable: Nothing was changed.

        """
        mark = self._mark(provider, transaction)
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO notice (mark, command_id) VALUES (?, ?)", (mark, command_id)
            )
            return _held(connection, mark)

    def refund(self, provider: str, transaction: str, command_id: str) -> Held:
        """Note that a transaction was refunded at the provider; as `reserve` otherwise."""
        mark = self._mark(provider, transaction)
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO notice (mark, command_id, refunded) VALUES (?, ?, 1)"
                " ON CONFLICT (mark) DO UPDATE SET refunded = 1",
                (mark, command_id),
            )
            return _held(connection, mark)

    def known(self, size: int) -> int:
        """Return up to which size the log's transactions are in the book.

        Args:
            size: Of the log. Where the book knows more, the log was put back: what it no longer
                holds may be recorded again, under the same id.

        Raises:
            NoticesUnavailable: It cannot be read.

        """
        with self._writing() as connection:
            (known,) = connection.execute("SELECT size FROM state").fetchone()
            if known > size:
                connection.execute("UPDATE notice SET entry = NULL WHERE entry >= ?", (size,))
                connection.execute("UPDATE state SET size = ?", (size,))
            return int(min(known, size))

    def learn(self, seen: Iterable[Seen], *, size: int) -> None:
        """Take in what entries of the log say, up to a size of it.

        A transaction that was reserved and is in the log keeps its id; one that somebody recorded
        by hand is held by that command.

        Raises:
            NoticesUnavailable: Nothing was changed.

        """
        rows = [
            (self._mark(each.provider, each.transaction), each.command_id, each.entry)
            for each in seen
        ]
        with self._writing() as connection:
            connection.executemany(
                "INSERT INTO notice (mark, command_id, entry) VALUES (?, ?, ?)"
                " ON CONFLICT (mark) DO UPDATE SET command_id = excluded.command_id,"
                " entry = excluded.entry WHERE entry IS NULL",
                rows,
            )
            connection.execute("UPDATE state SET size = max(size, ?)", (size,))

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin anew where the pepper is another one: its marks could not be found any more."""
        mark = hmac.digest(self._pepper, _PEPPER_MARK, "sha256")
        if connection.execute("SELECT pepper FROM state").fetchone() != (mark,):
            connection.execute("DELETE FROM notice")
            connection.execute("INSERT OR REPLACE INTO state VALUES (1, 0, ?)", (mark,))

    def _mark(self, provider: str, transaction: str) -> bytes:
        return hmac.digest(self._pepper, encode([_TAG, provider, transaction]), "sha256")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            named = getattr(error, "sqlite_errorname", None) or getattr(error, "strerror", None)
            raise NoticesUnavailable(str(named or type(error).__name__)) from None


def _held(connection: sqlite3.Connection, mark: bytes) -> Held:
    row = connection.execute(
        "SELECT command_id, entry, refunded FROM notice WHERE mark = ?", (mark,)
    ).fetchone()
    return Held(row[0], row[1], bool(row[2]))
