"""The view of goods: one row an item that is goods, with who may sell it and whether it is free.

So a buyer finds what of a listing is free to order without folding every item. As
`ledger.rules.views`. Specification: docs/spec.md section 9.11.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.rules.entries import Entry
from ledger.rules.state import Item
from ledger.rules.trade_state import Goods


class GoodsRow(NamedTuple):
    """What an item is as goods.

    Attributes:
        item: `NS/ID`.
        owner: Who owns it.
        item_class: Its class in the trade policy.
        product: The product that it is one of.
        agent: Who may sell it for its owner; None where nobody may.
        order_id: The order that is made for it; None where none is.
        frozen: 1 where it is frozen, or flagged as a duplicate: nobody buys it; else 0.
        head_index: Index of the last entry of its stream; unique in the table.

    """

    item: str
    owner: str
    item_class: str
    product: str
    agent: str | None
    order_id: str | None
    frozen: int
    head_index: int


def goods_row(entry: Entry, item: Item, goods: Goods) -> GoodsRow:
    """Write the row of an item as an entry of its stream leaves it."""
    return GoodsRow(
        entry.stream.removeprefix("item/"),
        item.owner,
        goods.item_class,
        goods.product,
        None if goods.escrow is None else goods.escrow.agent,
        goods.order,
        int(item.frozen or goods.flagged is not None),
        entry.index,
    )
