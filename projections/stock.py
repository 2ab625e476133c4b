"""Stock: which items of a merchant's product are free to order."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from ledger.rules.views_goods import GoodsRow
from projections.questions import ask
from projections.source import Source
from projections.tables import GOODS

STOCK_MAX: Final = 100
"""Most items that one look at the stock returns."""

_G = GOODS.c


class Stock:
    """Questions about what is free to order."""

    def __init__(self, source: Source) -> None:
        """Take the log whose database holds the views."""
        self._engine = source.engine

    def free(
        self, owner: str, item_class: str, product: str, *, start: int = 0, limit: int = STOCK_MAX
    ) -> list[GoodsRow]:
        """Return items that are with an agent, not frozen, and no order's, longest so first.

        Args:
            owner: The merchant.
            item_class: Class of goods, as listed.
            product: Product, as listed.
            start: Index of the log to begin at, so that not every buyer is shown the same.
            limit: Most items, 1 to `STOCK_MAX`; more are cut to it.

        """
        question = select(GOODS).where(
            _G.owner == owner,
            _G.item_class == item_class,
            _G.product == product,
            _G.agent.is_not(None),
            _G.order_id.is_(None),
            _G.frozen == 0,
            _G.head_index >= start,
        )
        question = question.order_by(_G.head_index).limit(max(1, min(limit, STOCK_MAX)))
        _, rows = ask(self._engine, question)
        return sorted(map(GoodsRow._make, rows), key=lambda row: row.head_index)
