"""Copies of the ledger's database, with every guard of the database taken away.

Whoever owns the database can do that: triggers and constraints keep honest programs from mistakes,
and no attacker from anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.engine import URL, Engine

from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource, sqlite_snapshot
from ledger.proof.errors import VerificationError
from ledger.proof.report import Report
from ledger.proof.vault import VaultReader
from ledger.record.tables import METADATA as LEDGER_TABLES
from projections.tables import METADATA as VIEW_TABLES
from tests.databases import migrated_engine
from tests.tamper.market import Market

_numbers = count(1)


class Copy:
    """One copy, to be corrupted and audited."""

    def __init__(self, url: URL, market: Market, *, within: Connection | None = None) -> None:
        """Take a database; with `within`, all that is done stays in that open transaction."""
        self.url, self.market = url, market
        self.engine = create_engine(url, poolclass=NullPool)
        self._within = within

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def run(self, *statements: str, **values: Any) -> None:
        """Run statements in one transaction; what they name is taken from `values`."""
        with self.begin() as connection:
            for statement in statements:
                named = {name: values[name] for name in values if f":{name}" in statement}
                connection.execute(text(statement), named)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        if self._within is not None:
            yield self._within
            return
        with self.engine.begin() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            yield connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def columns(self) -> set[str]:
        """Every column of every table that there is, as `table.column`."""
        with self.begin() as connection:
            found = inspect(connection)
            return {
                f"{table}.{column['name']}"
                for table in found.get_table_names()
                for column in found.get_columns(table)
            }

    def audit(self, *, since: bytes | None = None, processes: int = 1) -> Report:
        """Audit this copy, with the vault's keys at hand."""
        vkey = self.market.world.vkey
        try:
            with self._source() as source:
                return audit(source, vkey, since=since, processes=processes)
        except VerificationError as error:
            # Not even opened: the schema is another one. The commands make the same of it.
            report = Report()
            report.fail(error)
            return report

    @contextmanager
    def _source(self) -> Iterator[DatabaseSource]:
        vault = VaultReader(self.market.vault)
        if self.is_sqlite:
            with sqlite_snapshot(Path(str(self.url.database))) as query:
                yield DatabaseSource(query, vault=vault)
            return
        with self.begin() as connection:

            def ask(sql: str) -> Iterator[tuple[Any, ...]]:
                yield from (tuple(row) for row in connection.exec_driver_sql(sql))

            yield DatabaseSource(ask, vault=vault)


class SqliteCopies:
    """Makes copies of a SQLite file."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._base = market.database.with_name("unguarded.sqlite")
        shutil.copy(market.database, self._base)
        copy = Copy(_sqlite(self._base), market)
        triggers = copy.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        assert triggers
        copy.run(*(f"DROP TRIGGER {name}" for (name,) in triggers))

    @contextmanager
    def take(self) -> Iterator[Copy]:
        path = self._base.with_name(f"copy-{next(_numbers)}.sqlite")
        shutil.copy(self._base, path)
        try:
            yield Copy(_sqlite(path), self._market)
        finally:
            path.unlink()

    take_whole = take


class PostgresCopies:
    """Makes copies of a PostgreSQL database."""

    def __init__(self, market: Market, server_url: str) -> None:
        self._market = market
        self._server = make_url(server_url).set(drivername="postgresql+psycopg")
        self._admin(f"CREATE DATABASE {_BASE}")
        url = self._server.set(database=_BASE)
        with migrated_engine(url.render_as_string(hide_password=False)) as engine:
            _pour(create_engine(_sqlite(market.database)), engine)
        copy = Copy(url, market)
        for name in inspect(copy.engine).get_table_names():
            copy.run(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
        checks = copy.rows(
            "SELECT conrelid::regclass, conname FROM pg_constraint "
            "WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
        copy.run(*(f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, name in checks))

    def close(self) -> None:
        self._admin(f"DROP DATABASE {_BASE} WITH (FORCE)")

    @contextmanager
    def take(self) -> Iterator[Copy]:
        """Give a copy for as long as one transaction, which is rolled back: the cheapest copy."""
        url = self._server.set(database=_BASE)
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection, connection.begin() as transaction:
            yield Copy(url, self._market, within=connection)
            transaction.rollback()

    @contextmanager
    def take_whole(self) -> Iterator[Copy]:
        """Give a database of its own, for what opens it by its URL."""
        name = f"tamper_{next(_numbers)}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {_BASE}")
        try:
            yield Copy(self._server.set(database=name), self._market)
        finally:
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _admin(self, statement: str) -> None:
        engine = create_engine(self._server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)


_BASE = "tamper_base"


def _sqlite(path: Path) -> URL:
    return make_url(f"sqlite:///{path}")


def _pour(source: Engine, target: Engine) -> None:
    """Fill the tables of one database with the rows of another."""
    with source.connect() as read, target.begin() as write:
        for table in (*LEDGER_TABLES.sorted_tables, *VIEW_TABLES.sorted_tables):
            if table.name in {"head", "view_position"}:
                (row,) = read.execute(table.select()).mappings()
                write.execute(table.update().values(**row))
                continue
            rows = [dict(row) for row in read.execute(table.select()).mappings()]
            write.execute(table.insert(), rows)
