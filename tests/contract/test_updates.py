"""Many rows are updated by one call, and the call says how many there were."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Engine, MetaData, SmallInteger, Table, Text

from ledger.record.database import reading, writing
from ledger.record.inserting import Change, insert_rows, update_rows
from ledger.record.recorder import LedgerRecorder

SHELF: Final = Table(
    "shelf_of_a_test",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("end", BigInteger),
    Column("small", SmallInteger),
)
ENDS: Final = Change(SHELF, ("end",), key="name", while_null="end")
REPLACES: Final = Change(SHELF, ("end", "small"), key="name")
ROWS: Final = [("a", None, 1), ("b", 7, 1), ("c", None, 1)]


def stored(engine: Engine) -> list[tuple[object, ...]]:
    with reading(engine) as connection:
        query = SHELF.select().order_by(SHELF.c.name)
        return [tuple(row) for row in connection.execute(query)]


def changed(engine: Engine, change: Change, rows: list[tuple[object, ...]]) -> int:
    with writing(engine) as connection:
        SHELF.create(connection)
        insert_rows(connection, SHELF, ROWS)
        return update_rows(connection, change, rows)


def test_only_rows_that_are_there_and_have_no_value_yet_are_changed(
    recorder: LedgerRecorder,
) -> None:
    """One of three: `b` has a value, and there is no `d`."""
    given: list[tuple[object, ...]] = [(9, "a"), (9, "b"), (9, "d")]

    assert changed(recorder.engine, ENDS, given) == 1

    assert stored(recorder.engine) == [("a", 9, 1), ("b", 7, 1), ("c", None, 1)]


def test_every_named_column_takes_the_value_given_for_its_row(recorder: LedgerRecorder) -> None:
    given: list[tuple[object, ...]] = [(1, 2, "c"), (None, 3, "b")]

    assert changed(recorder.engine, REPLACES, given) == 2

    assert stored(recorder.engine) == [("a", None, 1), ("b", None, 3), ("c", 1, 2)]


def test_no_rows_change_nothing(recorder: LedgerRecorder) -> None:
    assert changed(recorder.engine, REPLACES, []) == 0

    assert stored(recorder.engine) == ROWS
