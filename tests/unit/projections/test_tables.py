"""The tables are those that the pure fold fills, and every question finds its index."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ledger.record.database import reading
from ledger.rules import views
from projections import tables
from tests.databases import migrated_engine

PLAN_OF = {
    "after": "SELECT * FROM view_ownership WHERE item = 'a' AND from_index <= 5 "
    "ORDER BY from_index DESC LIMIT 1",
    "at_time": "SELECT * FROM view_ownership WHERE item = 'a' AND from_at <= 5 "
    "ORDER BY from_at DESC, from_index DESC LIMIT 1",
    "at_source_time": "SELECT * FROM view_ownership WHERE item = 'a' AND source_time <= 5 "
    "ORDER BY source_time DESC, from_index DESC LIMIT 1",
    "end": "SELECT * FROM view_ownership WHERE item = 'a' AND to_index IS NULL",
    "page": "SELECT * FROM view_history WHERE item = 'a' AND entry_index >= 5 "
    "ORDER BY entry_index LIMIT 9",
    "due": "SELECT * FROM view_party WHERE change_due <= 5 ORDER BY change_due, head_index LIMIT 9",
    "falling": "SELECT * FROM view_order WHERE next_due <= 5 AND next_rule IN ('a') "
    "AND (next_due, head_index) > (3, 4) ORDER BY next_due, head_index LIMIT 9",
    "unpaid": "SELECT * FROM view_order WHERE buyer = 'a' AND next_rule = 'order-unpaid' "
    "AND next_due >= 5 ORDER BY next_due LIMIT 5",
    "order": "SELECT * FROM view_order WHERE order_id = 'a'",
    "buyer": "SELECT * FROM view_order WHERE buyer = 'a' AND order_id > 'b' "
    "ORDER BY order_id LIMIT 9",
    "free": "SELECT * FROM view_goods WHERE owner = 'a' AND item_class = 'b' AND product = 'c' "
    "AND agent IS NOT NULL AND order_id IS NULL AND frozen = 0 AND head_index >= 5 "
    "ORDER BY head_index LIMIT 9",
}


@pytest.mark.parametrize(
    ("table", "view"),
    [
        (tables.HISTORY, views.HISTORY),
        (tables.OWNERSHIP, views.OWNERSHIP),
        (tables.PARTY, views.PARTY),
        (tables.ORDER, views.ORDER),
        (tables.GOODS, views.GOODS),
        (tables.POSITION, views.POSITION),
    ],
)
def test_columns_are_the_fields_of_the_rows_in_order(
    table: tables.Table, view: views.ViewTable
) -> None:
    assert (table.name, tuple(table.columns.keys())) == (view.name, view.columns)


@pytest.mark.parametrize("question", PLAN_OF)
def test_every_question_is_one_descent_of_one_index(sqlite_url: str, question: str) -> None:
    """On SQLite; PostgreSQL plans by statistics and reads a small table whole."""
    with migrated_engine(sqlite_url) as engine, reading(engine) as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {PLAN_OF[question]}")).all()

    steps = [row.detail for row in plan]
    assert len(steps) == 1, steps
    assert steps[0].startswith("SEARCH"), steps
