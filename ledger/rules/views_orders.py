"""The view of orders: one row an order, with what falls due on it next.

So the keeper finds what is due, and a buyer their orders, without folding every stream. As
`ledger.rules.views`. Specification: docs/spec.md section 9.12.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.rules.entries import Entry
from ledger.rules.order_state import Order
from ledger.rules.timers import order_timers


class OrderRow(NamedTuple):
    """What is known of an order.

    Attributes:
        order_id: Its number, as in `order/NUMBER`.
        buyer: Who placed it.
        state: `unpaid`, `paid` or `expired`.
        total: What all lines cost, in minor units, text.
        currency: Of the total.
        lines: How many.
        next_rule: Rule of the timer that falls due first; None where none does.
        next_due: When that is.
        head_index: Index of the last entry of its stream; unique in the table.

    """

    order_id: str
    buyer: str
    state: str
    total: str
    currency: str
    lines: int
    next_rule: str | None
    next_due: int | None
    head_index: int


def order_row(entry: Entry, order: Order) -> OrderRow:
    """Write the row of an order as an entry of its stream leaves it."""
    due, rule = next(iter(order_timers(order)), (None, None))
    return OrderRow(
        entry.stream.removeprefix("order/"),
        order.buyer,
        order.state,
        str(order.total),
        order.currency,
        len(order.lines),
        rule,
        due,
        entry.index,
    )
