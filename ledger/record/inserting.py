"""The fastest plain INSERT and UPDATE of many rows on each database, from tuples.

SQLite: `executemany`. PostgreSQL: one statement that reads from `unnest(arrays)`, one round trip
and one plan for the whole batch, about twice the rate of `executemany` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, Text
from sqlalchemy.engine import Dialect

from ledger.record.driving import change_many


@dataclass(frozen=True, slots=True)
class Change:
    """Which columns of which rows an update sets: those whose `key` is the one given.

    `while_null`: only rows whose column of this name is NULL.
    """

    table: Table
    columns: tuple[str, ...]
    key: str
    while_null: str | None = None


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, each a tuple in the order of the table's columns.

    Args:
        connection: A connection in a write transaction.
        table: A table of `ledger.record.tables`.
        rows: Any number of rows, none too.

    """
    if not rows:
        return
    dialect = connection.dialect
    if dialect.name == "postgresql":
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        connection.exec_driver_sql(_unnest(table, dialect), columns)
    else:
        change_many(connection, _values(table, dialect), rows)


def update_rows(connection: Connection, change: Change, rows: Sequence[tuple[Any, ...]]) -> int:
    """Update rows, each given as the values of the changed columns and, last, its key.

    Args:
        connection: A connection in a write transaction.
        change: What is changed.
        rows: Any number of rows, none too; no key twice.

    Returns:
        How many rows of the table were changed.

    """
    if not rows:
        return 0
    dialect = connection.dialect
    if dialect.name == "postgresql":
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        return connection.exec_driver_sql(_update_unnest(change, dialect), columns).rowcount
    return change_many(connection, _update(change, dialect), rows)


@cache
def _values(table: Table, dialect: Dialect) -> str:
    marks = ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {_target(table, dialect)} VALUES ({marks})"  # noqa: S608


@cache
def _unnest(table: Table, dialect: Dialect) -> str:
    # In binary form: as text, every element is searched for what has to be escaped.
    arrays = ", ".join(f"%b::{_array_type(column.type)}[]" for column in table.columns)
    return f"INSERT INTO {_target(table, dialect)} SELECT * FROM unnest({arrays})"  # noqa: S608


@cache
def _update(change: Change, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    new = ", ".join(f"{quote(name)} = ?" for name in change.columns)
    where = f"{quote(change.key)} = ?{_while_null(change, dialect)}"
    return f"UPDATE {quote(change.table.name)} SET {new} WHERE {where}"  # noqa: S608


@cache
def _update_unnest(change: Change, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    given = (*change.columns, change.key)
    arrays = ", ".join(f"%b::{_array_type(change.table.c[name].type)}[]" for name in given)
    names = ", ".join(f"new_{name}" for name in given)
    new = ", ".join(f"{quote(name)} = new_{name}" for name in change.columns)
    where = f"{quote(change.key)} = new_{change.key}{_while_null(change, dialect)}"
    source = f"unnest({arrays}) AS given({names})"
    return f"UPDATE {quote(change.table.name)} SET {new} FROM {source} WHERE {where}"  # noqa: S608


def _while_null(change: Change, dialect: Dialect) -> str:
    if change.while_null is None:
        return ""
    return f" AND {dialect.identifier_preparer.quote(change.while_null)} IS NULL"


def _array_type(kind: object) -> str:
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "text" if isinstance(kind, Text) else "bigint"


def _target(table: Table, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.columns)
    return f"{quote(table.name)} ({columns})"
