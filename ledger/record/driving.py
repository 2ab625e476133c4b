"""Statements of the innermost loops, given to the driver itself.

What SQLAlchemy makes of a statement and of its rows costs SQLite more than running it. Its errors
stay those of the storage room: `ledger.record.database.translated` knows the driver's as well.
PostgreSQL's wait for the server is longer than either, and there SQLAlchemy must see every error,
since it takes broken connections out of the pool.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]


def sqlite_driver(connection: Connection) -> sqlite3.Connection | None:
    """Return SQLite's own connection, inside the same transaction; None on PostgreSQL."""
    if connection.dialect.name != "sqlite":
        return None
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def rows_of(connection: Connection, sql: str, parameters: Sequence[Any]) -> list[Row]:
    """Run one question in the words of the driver and return all its rows.

    Args:
        connection: In a transaction, or about to begin one.
        sql: With the driver's own marks.
        parameters: One a mark.

    """
    driver = sqlite_driver(connection)
    if driver is None:
        return [tuple(row) for row in connection.exec_driver_sql(sql, tuple(parameters))]
    _begin(connection)
    return driver.execute(sql, tuple(parameters)).fetchall()


def change_many(connection: Connection, sql: str, rows: Sequence[Row]) -> int:
    """Run one change in the words of the driver for each row; return how many rows changed."""
    driver = sqlite_driver(connection)
    if driver is None:
        return connection.exec_driver_sql(sql, list(rows)).rowcount
    _begin(connection)
    return driver.cursor().executemany(sql, rows).rowcount


def change(connection: Connection, statement: Update, values: dict[str, Any]) -> int:
    """Run one change with these values; return how many rows changed."""
    driver = sqlite_driver(connection)
    if driver is None:
        return connection.execute(statement, values).rowcount
    _begin(connection)
    compiled = _compiled(statement, connection.dialect)
    filled = compiled.construct_params(values)
    places = [filled[name] for name in compiled.positiontup or ()]
    return driver.execute(compiled.string, places).rowcount


@cache
def _compiled(statement: Update, dialect: Dialect) -> SQLCompiler:
    return statement.compile(dialect=dialect)


def _begin(connection: Connection) -> None:
    """Begin what SQLAlchemy begins with its first statement."""
    if not connection.in_transaction():
        connection.begin()
