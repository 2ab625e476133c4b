"""Copying a whole ledger between databases, from one moment of the source.

A backup is always a SQLite file, whatever database the ledger lives in: SQLite copies its pages,
PostgreSQL gives its rows out of one REPEATABLE READ snapshot. Rows go back the same way, into an
empty database of either kind. Views are not copied as rows: they are projected again. Nonces of
signed requests are not copied at all.
Decision: docs/adr/0020.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, func, select, update

from ledger.record.database import open_engine, reading, translated, writing
from ledger.record.errors import CopyDiffers
from ledger.record.inserting import insert_rows
from ledger.record.schema import migrate
from ledger.record.tables import (
    CHECKPOINT,
    COMMAND,
    DISCLOSURE,
    ENTRY,
    HEAD,
    PARCEL,
    REGISTERED_KEY,
    REQUEST_NONCE,
    TILE,
)

TABLES: Final = (ENTRY, COMMAND, REGISTERED_KEY, CHECKPOINT, TILE, DISCLOSURE, PARCEL)
_ROWS_AT_ONCE: Final = 1_000
_PAGES_AT_ONCE: Final = 2_000
_SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ"}

Progress = Callable[[int, int], None]


def copy_to_file(engine: Engine, path: Path, progress: Progress | None = None) -> None:
    """Copy a ledger into a new SQLite file, durably, while others go on writing to it.

    Args:
        engine: The ledger's database.
        path: The file; must not exist, its folder must.
        progress: Called with (done, in all), in pages or rows.

    Raises:
        DatabaseUnavailable: The source cannot be read, or the file not be written.
        OSError: The file cannot be made durable.

    """
    told = progress or (lambda _done, _all: None)
    if engine.dialect.name == "sqlite":
        with translated(engine):
            _copy_pages(Path(engine.url.database or ""), path, told)
    else:
        target = open_engine(f"sqlite:///{path.absolute()}")
        try:
            migrate(target)
            copy_rows(engine, target, told)
        finally:
            target.dispose()
    close_file(path)


def close_file(path: Path) -> None:
    """Make a SQLite file one plain file, without a log beside it, and durable."""
    with closing(_open(path, "rw")) as link:
        link.execute("PRAGMA journal_mode = DELETE")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def copy_rows(source: Engine, target: Engine, progress: Progress | None = None) -> None:
    """Copy every row of a ledger into an empty, migrated database, in one transaction.

    Raises:
        CopyDiffers: The target holds entries already; nothing was changed.
        DatabaseUnavailable: Nothing was written.
        OutcomeUnknown: COMMIT gave no clear answer: compare.

    """
    told = progress or (lambda _done, _all: None)
    with _snapshot(source) as read, writing(target) as write:
        if write.execute(select(HEAD.c.size)).scalar_one() != 0:
            raise CopyDiffers(HEAD.name, "the database is not empty")
        total, done = _count(read), 0
        for table in TABLES:
            for rows in _chunks(read, table):
                insert_rows(write, table, rows)
                done += len(rows)
                told(done, total)
        size, leaf, epoch = read.execute(select(HEAD.c.size, HEAD.c.leaf, HEAD.c.epoch)).one()
        write.execute(update(HEAD).values(size=size, leaf=leaf, epoch=epoch))


def compare_rows(source: Engine, target: Engine) -> None:
    """Check that two databases hold the same ledger, row by row.

    Raises:
        CopyDiffers: The first table that differs.

    """
    with _snapshot(source) as one, _snapshot(target) as other:
        for table in (*TABLES, HEAD):
            with closing(_rows(one, table)) as expected, closing(_rows(other, table)) as stored:
                for number, (wanted, found) in enumerate(zip_longest(expected, stored)):
                    if wanted != found:
                        raise CopyDiffers(table.name, f"row {number} is another one")


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    options = _SNAPSHOT if engine.dialect.name == "postgresql" else {}
    with reading(engine.execution_options(**options)) as connection:
        yield connection


def _count(connection: Connection) -> int:
    counted = (connection.execute(select(func.count()).select_from(each)) for each in TABLES)
    return sum(int(each.scalar_one()) for each in counted)


def _rows(connection: Connection, table: Table) -> Generator[tuple[Any, ...]]:
    for rows in _chunks(connection, table):
        yield from rows


def _chunks(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    query = select(table).order_by(*table.primary_key.columns)
    query = query.execution_options(yield_per=_ROWS_AT_ONCE)
    with connection.execute(query) as result:
        for rows in result.partitions():
            yield [tuple(row) for row in rows]


def _copy_pages(source: Path, path: Path, progress: Progress) -> None:
    # Into a file that appears whole or not at all is the caller's business: this one is a draft.
    with closing(_open(source, "ro")) as read, closing(_open(path, "rwc")) as write:
        # With a read transaction open the copy is of this moment, whoever writes meanwhile.
        read.execute("BEGIN")
        read.execute("SELECT size FROM head").fetchone()
        read.backup(
            write,
            pages=_PAGES_AT_ONCE,
            progress=lambda _status, left, total: progress(total - left, total),
        )
        # Who asked for what lately is nobody's business later: gone from the pages, too.
        write.execute("PRAGMA secure_delete = ON")
        write.execute(f"DELETE FROM {REQUEST_NONCE.name}")  # noqa: S608 - a name of our own


def _open(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)
