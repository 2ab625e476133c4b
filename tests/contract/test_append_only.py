"""Evidence cannot be changed inside the database, whoever holds the connection."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from eventsourcing.persistence import IntegrityError
from sqlalchemy import Engine, make_url

from ledger.record.database import writing
from ledger.record.facts import KeyRow, ParcelRow, Tile
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import EMPTY, digest, fill, make_batch, make_entry, write
from tests.databases import open_recorder

COLUMNS = {
    "entry": ["index", "stream", "seq", "type", "leaf", "command", "entry"],
    "command": ["by", "id", "digest", "index"],
    "registered_key": ["id", "party", "index"],
    "checkpoint": ["size", "previous", "note"],
    "tile": ["level", "number", "hashes"],
    "parcel": ["order_id", "line", "digest", "bytes"],
}
UPDATES = [(table, column) for table, columns in COLUMNS.items() for column in columns]


def fill_every_table(recorder: LedgerRecorder) -> None:
    batch = make_batch(EMPTY, make_entry(0), make_entry(1))
    parcel = ParcelRow("order", 1, digest("parcel"), b"parcel")
    key = KeyRow(digest("key"), "party/ann", 0)
    write(recorder, replace(batch, keys=(key,), parcels=(parcel,)))
    recorder.put_checkpoint(2, b"note", None)
    recorder.put_tiles([Tile(0, 0, bytes(8192))])


def run(engine: Engine, statement: str) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(("table", "column"), UPDATES)
def test_no_column_of_evidence_can_be_updated(
    recorder: LedgerRecorder, table: str, column: str
) -> None:
    fill_every_table(recorder)

    with pytest.raises(IntegrityError, match=f"{table} is append-only"):
        run(recorder.engine, f'UPDATE {table} SET "{column}" = "{column}"')


@pytest.mark.parametrize("table", [*COLUMNS, "head"])
def test_no_row_of_evidence_can_be_deleted(recorder: LedgerRecorder, table: str) -> None:
    fill_every_table(recorder)

    with pytest.raises(IntegrityError, match=f"{table} is append-only"):
        run(recorder.engine, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", [*COLUMNS, "head"])
def test_no_table_of_evidence_can_be_truncated(postgres_url: str, table: str) -> None:
    with (
        open_recorder(postgres_url) as recorder,
        pytest.raises(IntegrityError, match=f"{table} is append-only"),
    ):
        run(recorder.engine, f"TRUNCATE {table}")


@pytest.mark.parametrize("table", COLUMNS)
def test_a_session_that_plays_a_replica_is_refused_too(postgres_url: str, table: str) -> None:
    with open_recorder(postgres_url) as recorder, pytest.raises(IntegrityError, match=table):
        run(recorder.engine, f"SET LOCAL session_replication_role = replica; DELETE FROM {table}")


@pytest.mark.parametrize("table", COLUMNS)
def test_insert_or_replace_replaces_nothing(sqlite_url: str, table: str) -> None:
    """SQLite's REPLACE deletes without a DELETE trigger unless the connection asks for one."""
    with open_recorder(sqlite_url) as recorder:
        fill_every_table(recorder)

        with pytest.raises(IntegrityError, match=f"{table} is append-only"):
            run(recorder.engine, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("table", COLUMNS)
def test_on_conflict_do_update_updates_nothing(postgres_url: str, table: str) -> None:
    column = COLUMNS[table][-1]
    with open_recorder(postgres_url) as recorder:
        fill_every_table(recorder)

        with pytest.raises(IntegrityError, match=f"{table} is append-only"):
            run(
                recorder.engine,
                f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ON CONSTRAINT "
                f'{table}_pkey DO UPDATE SET "{column}" = excluded."{column}"',
            )


@pytest.mark.parametrize("statement", ["UPDATE entry SET entry = x'00'", "DELETE FROM command"])
def test_any_other_program_on_the_file_is_refused_too(sqlite_url: str, statement: str) -> None:
    with open_recorder(sqlite_url) as recorder:
        fill_every_table(recorder)
    other = sqlite3.connect(str(make_url(sqlite_url).database))

    try:
        with pytest.raises(sqlite3.IntegrityError, match="is append-only"):
            other.execute(statement)
    finally:
        other.close()


@pytest.mark.parametrize(
    "change",
    [
        "size = 1",
        "epoch = 2",
        "size = 0, leaf = NULL",
        'leaf = (SELECT leaf FROM entry WHERE "index" = 0)',
    ],
)
def test_the_head_never_moves_backward(recorder: LedgerRecorder, change: str) -> None:
    fill(recorder, 2)
    for _ in range(3):
        recorder.raise_epoch(recorder.head())
    before = recorder.head()

    with pytest.raises(IntegrityError, match="head only moves forward"):
        run(recorder.engine, f"UPDATE head SET {change}")

    assert recorder.head() == before


def test_there_is_one_head_row(recorder: LedgerRecorder) -> None:
    with pytest.raises(IntegrityError, match="head_one_row"):
        run(recorder.engine, "INSERT INTO head (id, size, leaf, epoch) VALUES (2, 0, NULL, 0)")

    assert recorder.head() == EMPTY
