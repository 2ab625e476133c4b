"""Orders: what is due on them, and which are whose."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select, tuple_

from ledger.rules.timers import ORDER_UNPAID
from ledger.rules.views_orders import OrderRow
from projections.questions import Answer, ask
from projections.source import Source
from projections.tables import ORDER

DUE_MAX: Final = 256
"""Most orders that one look at what is due returns."""

PAGE_MAX: Final = 100
"""Most orders of a buyer that one question returns."""

_O = ORDER.c
_PLACE: Final = tuple_(_O.next_due, _O.head_index)


class Orders:
    """Questions about orders."""

    def __init__(self, source: Source) -> None:
        """Take the log whose database holds the views."""
        self._engine = source.engine

    def get(self, order: str) -> Answer[OrderRow]:
        """Return an order, or nothing for a number that nobody used."""
        size, rows = ask(self._engine, select(ORDER).where(_O.order_id == order))
        return Answer(size, OrderRow._make(rows[0]) if rows else None)

    def of_buyer(self, buyer: str, *, after: str = "", limit: int = 100) -> list[OrderRow]:
        """Return orders of a buyer, by number, which is nearly by time.

        Args:
            buyer: Its party.
            after: Only numbers behind this one.
            limit: Most orders, 1 to `PAGE_MAX`; more are cut to it.

        """
        question = select(ORDER).where(_O.buyer == buyer, _O.order_id > after)
        question = question.order_by(_O.order_id).limit(max(1, min(limit, PAGE_MAX)))
        rows = [OrderRow._make(row) for row in ask(self._engine, question)[1]]
        return sorted(rows, key=lambda row: row.order_id)

    def unpaid(self, buyer: str, at: int, most: int) -> list[str]:
        """Name the unpaid orders of a buyer that can still be paid at a time, up to `most`."""
        own = select(ORDER).where(_O.buyer == buyer, _O.next_rule == ORDER_UNPAID)
        question = own.where(_O.next_due >= at).order_by(_O.next_due).limit(most)
        return [OrderRow._make(row).order_id for row in ask(self._engine, question)[1]]

    def due(
        self,
        at: int,
        rules: Collection[str],
        *,
        after: OrderRow | None = None,
        limit: int = DUE_MAX,
    ) -> list[OrderRow]:
        """Return the orders on which one of these rules is due at a time, longest due first.

        Args:
            at: Microseconds since 1970-01-01 UTC.
            rules: Names of timer rules; what other rules wait for is left out.
            after: The last of those that were returned before; only what comes behind it.
            limit: Most orders.

        """
        due = select(ORDER).where(_O.next_due <= at, _O.next_rule.in_(sorted(rules)))
        if after is not None:
            due = due.where((after.next_due, after.head_index) < _PLACE)
        question = due.order_by(_O.next_due, _O.head_index).limit(limit)
        rows = [OrderRow._make(row) for row in ask(self._engine, question)[1]]
        return sorted(rows, key=lambda row: (row.next_due, row.head_index))
