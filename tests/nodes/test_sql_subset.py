"""The program uses no more of SQL than `tests.nodes.subset` allows, on either database.

Every statement of a life of a ledger is looked at as it is sent, and every literal as it is
written. Transactions read at REPEATABLE READ where one moment of several tables is needed - audits,
backups, digests of the views - and such a transaction never writes.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, event, text

from api.app import create_app
from api.auditing import folder_of_ledger
from api.house import House
from ledger.proof.audit import audit
from ledger.record.copying import copy_to_file
from ledger.record.database import open_engine, reading, writing
from ledger.record.tables import METADATA
from projections.tables import ROWS as VIEWS
from tests.architecture.house import MODULES, ROOT
from tests.kills.customers import Customer
from tests.kills.sites import make_site
from tests.nodes.subset import FORBIDDEN, faults_of, faults_of_source, faults_of_table, writes

READS = (
    "/readyz", "/v1/log", "/v1/policy", "/v1/entries/1", "/v1/items/cards/0-0",
    "/v1/items/cards/0-0/history", "/v1/items/cards/0-0/proof", "/v1/parties/ann",
    "/v1/proofs/consistency/2/5", "/v1/proofs/inclusion/1/5", "/log/checkpoint",
    "/log/checkpoints/sizes", "/log/tile/0/000.p/5", "/log/tile/entries/000.p/5",
)  # fmt: skip
STARTED = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SHOW fsync"}
LITERAL = re.compile(r"[xX]?'(?:[^']|'')*'")


class Overheard:
    """Every statement that any engine sends, and what is wrong with it."""

    def __init__(self) -> None:
        self.statements: set[str] = set()
        self.faults: set[tuple[str, str]] = set()

    def hear(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.statements.add(statement)
        self.faults |= {(rule, statement) for rule in faults_of(statement)}
        level = connection.get_execution_options().get("isolation_level")
        if level == "REPEATABLE READ" and writes(statement):
            self.faults.add(("a snapshot that writes", statement))
        elif level not in {None, "READ COMMITTED", "REPEATABLE READ", "AUTOCOMMIT"}:
            self.faults.add(("a stricter isolation", statement))

    def hear_driver(self, connection: Any, _record: Any) -> None:
        """Hear what SQLite is asked past SQLAlchemy; it tells statements with their values."""
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(self._hear_spelled)

    def _hear_spelled(self, statement: str) -> None:
        bare = LITERAL.sub("?", statement)
        self.statements.add(bare)
        self.faults |= {(rule, bare) for rule in faults_of(bare)}

    def touches(self, verb: str, table: str) -> bool:
        """Say whether a statement of this kind named a table."""
        return any(
            each.lstrip().upper().startswith(verb) and table in each for each in self.statements
        )


@contextmanager
def overhearing() -> Iterator[Overheard]:
    overheard = Overheard()
    event.listen(Engine, "before_cursor_execute", overheard.hear)
    event.listen(Engine, "connect", overheard.hear_driver)
    try:
        yield overheard
    finally:
        event.remove(Engine, "connect", overheard.hear_driver)
        event.remove(Engine, "before_cursor_execute", overheard.hear)


def live(folder: Path, database_url: str | None) -> None:
    """Make a ledger, write to it and read it over HTTP, audit it, copy it, rebuild its views."""
    site = make_site(folder / "ledger", folder / "state", database_url=database_url)
    with site.house() as house, TestClient(create_app(house, publish_every_s=0)) as client:
        customer = Customer(site, 0)
        requests = [[customer.next() for _ in range(size)] for size in (1, 3, 4)]
        for request in (*requests, requests[0]):
            answer = client.post(
                "/v1/commands",
                content=b"[" + b",".join(each.body for each in request) + b"]",
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 200, answer.text
            assert all("receipt" in each for each in answer.json())
        wait(house)
        for path in READS:
            assert client.get(path).status_code == 200, path
    with site.house() as house:
        now = house.clock.now()
        assert [house.nonces.spend("ann", "n", created=now, now=now) for _ in "ab"] == [True, False]
        house.runner.rebuild()
        house.runner.digest()
        house.recorder.disclosures(house.recorder.head().size - 1)
        house.recorder.parcel("none", 1)
        house.recorder.raise_epoch(house.recorder.head())
        copy_to_file(house.recorder.engine, folder / "copy.sqlite")
    with folder_of_ledger(site.folder) as source:
        assert audit(source, site.vkey).verdict == "valid"


def wait(house: House) -> None:
    house.runner.catch_up()
    house.publisher.publish()


def test_a_life_of_a_ledger_needs_no_more_than_the_subset(
    database_url: str, tmp_path: Path
) -> None:
    own = database_url.startswith("sqlite")
    with overhearing() as overheard:
        live(tmp_path, None if own else database_url)

    assert overheard.faults == set()
    assert STARTED["sqlite" if own else "postgresql"] in overheard.statements
    assert [
        table.name for table in (*METADATA.sorted_tables, *VIEWS)
        if table.name not in {"tile", "request_nonce"}
        if not (overheard.touches("SELECT", table.name) and overheard.touches("CREATE", table.name))
    ] == []  # fmt: skip
    written = ("entry", "command", "checkpoint", "registered_key", "disclosure")
    assert [table for table in written if not overheard.touches("INSERT", table)] == []
    assert overheard.touches("UPDATE", "head")
    # What was taken is known by trying to take it again, which needs no reading.
    nonces = [verb for verb in ("CREATE", "INSERT", "DELETE", "SELECT")
              if overheard.touches(verb, "request_nonce")]  # fmt: skip
    assert nonces == ["CREATE", "INSERT", "DELETE"]


def test_no_source_file_asks_for_more() -> None:
    # The index of card keys and the book of notices are SQLite files on every machine, and never
    # lie on a server.
    own = {ROOT / "ledger" / "cards" / name for name in ("index.py", "sightings.py")}
    own.add(ROOT / "ledger" / "record" / "notices.py")
    portable = [path for path in MODULES if path not in own]

    assert len(portable) == len(MODULES) - 3 > 100
    assert [fault for path in portable for fault in faults_of_source(path)] == []


@pytest.mark.parametrize("table", [*METADATA.sorted_tables, *VIEWS], ids=lambda table: table.name)
def test_tables_are_made_of_what_every_database_has(table: Any) -> None:
    assert faults_of_table(table) == []


PLANTED = {
    "SELECT pg_advisory_xact_lock(1)": "an advisory lock",
    "SELECT pg_try_advisory_lock(1)": "an advisory lock",
    "LOCK TABLE head IN EXCLUSIVE MODE": "a table lock",
    "lock head": "a table lock",
    "SELECT size FROM head WHERE id = 1 FOR UPDATE": "a row lock",
    "SELECT size FROM head\n FOR NO KEY  UPDATE": "a row lock",
    "SELECT size FROM head FOR SHARE SKIP LOCKED": "a row lock",
    "LISTEN entries": "a channel between sessions",
    "SELECT pg_notify('entries', '')": "a channel between sessions",
    "CREATE SEQUENCE entry_index": "a sequence",
    "INSERT INTO entry VALUES (nextval('entry_index'))": "a sequence",
    "CREATE TABLE t (a BIGSERIAL)": "a sequence",
    "CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY)": "a sequence",
    "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)": "a sequence",
    "ALTER TABLE t ADD UNIQUE (a) DEFERRABLE": "a constraint checked later",
    "SET CONSTRAINTS ALL DEFERRED": "a constraint checked later",
    "CREATE TABLE t (EXCLUDE USING gist (c WITH &&))": "an exclusion constraint",
    "BEGIN ISOLATION LEVEL SERIALIZABLE": "a stricter isolation",
    "SELECT pg_terminate_backend(1)": "ending another session",
    "PREPARE TRANSACTION 'a'": "a transaction across databases",
    "ATTACH DATABASE 'b' AS b": "a transaction across databases",
    "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT": "a key that takes NULL for equal",
    "CREATE TEMP TABLE t (a INTEGER)": "a temporary table",
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": "a settled conflict",
    "INSERT OR REPLACE INTO t VALUES (1)": "a settled conflict",
    "CREATE TRIGGER t AFTER INSERT ON entry BEGIN UPDATE head SET size = size + 1; END":
        "a trigger that does more than refuse",
}  # fmt: skip


@pytest.mark.parametrize("sql", PLANTED)
def test_each_forbidden_statement_is_found(sql: str) -> None:
    assert faults_of(sql) == [PLANTED[sql]]


def test_every_rule_is_planted() -> None:
    assert {*FORBIDDEN, "a trigger that does more than refuse"} == set(PLANTED.values())


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE head SET size = 2 WHERE id = 1 AND size = 1",
        "INSERT INTO entry VALUES ('FOR UPDATE', 'nextval', 'it''s a LOCK')",
        "CREATE CONSTRAINT x CHECK (a > 0) NOT DEFERRABLE",
        "SELECT serial_number FROM items",
    ],
)
def test_what_only_looks_like_it_is_left_alone(sql: str) -> None:
    assert faults_of(sql) == []


SOURCES = {
    "select(HEAD).with_for_update()": "a row lock",
    "engine.execution_options(isolation_level='SERIALIZABLE')": "a stricter isolation",
    "options = {'isolation_level': 'SERIALIZABLE'}": "a stricter isolation",
    "Column('a', BigInteger, autoincrement=True)": "a sequence",
    "sa.Column('a', sa.BigInteger, sa.Identity())": "a sequence",
    "from sqlalchemy import Column, Sequence": "a sequence",
    "UniqueConstraint('a', deferrable=True)": "a constraint checked later",
    "create_engine(url, twophase=True)": "a transaction across databases",
    "insert(T).on_conflict_do_nothing()": "a settled conflict",
    "connection.exec_driver_sql(f'LOCK TABLE {name}')": "a table lock",
    "run('SELECT 1;\\nLISTEN entries')": "a channel between sessions",
}


@pytest.mark.parametrize("source", SOURCES)
def test_each_forbidden_source_is_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text(source, encoding="utf-8")

    assert faults_of_source(path) == [f"planted.py:1: {SOURCES[source]}"]


def test_a_forbidden_statement_is_overheard(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with overhearing() as overheard, writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)"))
    engine.dispose()

    assert [rule for rule, _ in overheard.faults] == ["a sequence"]


def test_a_snapshot_that_writes_is_overheard(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    with overhearing() as overheard, reading(snapshot) as connection:
        connection.execute(text("SELECT 1"))
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
    engine.dispose()

    assert overheard.faults == {("a snapshot that writes", "CREATE TABLE t (a INTEGER)")}
