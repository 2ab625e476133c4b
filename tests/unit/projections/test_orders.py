"""The view of orders: one row each, and what is due, soonest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from sqlalchemy import text

from ledger.log.reader import LogReader
from ledger.record.database import writing
from projections.errors import ViewsDamaged
from projections.orders import Orders
from projections.runner import Runner
from tests import golden_trade
from tests.money import top_up
from tests.orders import expire_order, order_of, pay_order
from tests.unit.projections.markets import entries_of, strict_fold
from tests.worlds import World

RULES = ("order-undelivered", "order-unpaid")
LATE = 1 << 62


class Shown(NamedTuple):
    world: World
    reader: LogReader
    names: list[str]

    @property
    def orders(self) -> Orders:
        Runner(self.reader).catch_up()
        return Orders(self.reader)


@pytest.fixture
def shown(database_url: str) -> Iterator[Shown]:
    """The golden orders: two paid, one expired, the last one unpaid."""
    with World.create(database_url, "orders") as world:
        golden_trade.play_orders(world)
        reader = LogReader(world.recorder)
        placed = [each for each in entries_of(reader) if each.type == "order-placed/1"]
        yield Shown(world, reader, [each.stream[6:] for each in placed])


def test_every_order_has_one_row_as_its_stream_leaves_it(shown: Shown) -> None:
    orders, streams = shown.orders, [f"order/{name}" for name in shown.names]
    last = {each.stream: each.index for each in entries_of(shown.reader)}

    rows = [orders.get(name).found for name in shown.names]
    assert [
        row and (row.buyer, row.state, row.total, row.lines, row.next_rule) for row in rows
    ] == [
        ("ben", "paid", "19800", 2, "order-undelivered"),
        ("zoe", "paid", "50001", 1, "order-undelivered"),
        ("zoe", "expired", "19800", 2, None),
        ("ben", "unpaid", "19800", 2, "order-unpaid"),
    ]
    assert [row and row.head_index for row in rows] == [last[stream] for stream in streams]
    unpaid = order_of(shown.world, shown.names[3])
    assert [row and row.next_due for row in rows][2:] == [None, unpaid.pay_by]
    assert orders.get("none").found is None


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_rows_do_not_depend_on_how_the_log_was_cut(shown: Shown, chunk: int) -> None:
    runner = Runner(shown.reader, chunk=chunk)
    runner.catch_up()

    assert runner.stored()[1] == strict_fold(entries_of(shown.reader)).tables()


def test_what_is_due_comes_soonest_first_and_page_by_page(shown: Shown) -> None:
    orders = shown.orders
    rows = orders.due(LATE, RULES)
    assert [row.order_id for row in rows] == [shown.names[3], shown.names[0], shown.names[1]]
    due = [row.next_due or 0 for row in rows]
    assert due == sorted(due)

    assert orders.due(due[0] - 1, RULES) == []
    assert orders.due(due[0], RULES) == rows[:1]
    assert orders.due(LATE, RULES, limit=1) == rows[:1]
    assert orders.due(LATE, RULES, after=rows[0]) == rows[1:]
    assert orders.due(LATE, RULES, after=rows[-1]) == []
    assert orders.due(LATE, ["order-undelivered"]) == rows[1:]


def test_two_that_are_due_at_once_both_come(shown: Shown) -> None:
    orders = shown.orders
    with writing(shown.reader.engine) as connection:
        connection.execute(text("UPDATE view_order SET next_due = 7 WHERE next_due IS NOT NULL"))

    rows = orders.due(7, RULES)
    assert [row.head_index for row in rows] == sorted(row.head_index for row in rows)
    assert orders.due(7, RULES, after=rows[0]) == rows[1:]


def test_what_was_done_is_due_no_more(shown: Shown) -> None:
    world, name = shown.world, shown.names[3]
    world.clock.advance(order_of(world, name).pay_by - world.clock.now())
    expire_order(world, name)

    row = shown.orders.get(name).found
    assert row is not None
    assert (row.state, row.next_rule, row.next_due) == ("expired", None, None)


def test_an_order_that_changes_and_has_no_row_stops_the_views(shown: Shown) -> None:
    assert shown.orders
    with writing(shown.reader.engine) as connection:
        connection.execute(text("DELETE FROM view_order"))
    top_up(shown.world, "ben", "kay", 19_800)
    pay_order(shown.world, shown.names[3])

    with pytest.raises(ViewsDamaged, match="an order that changes has no row"):
        Runner(shown.reader).catch_up()
