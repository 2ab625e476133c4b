"""What the ledger says now of the item that a command line names."""

from __future__ import annotations

from api.cli.failures import Usage
from api.house import House
from ledger.rules.errors import UnknownItem
from ledger.rules.items import item_stream
from ledger.rules.state import Item
from ledger.rules.text import check_item


def standing_item(house: House, item: str) -> Item:
    """Return the state of an item.

    Raises:
        Malformed: `item` is no NS/ID.
        UnknownItem: it was never registered.

    """
    found = house.ledger.stream(item_stream(check_item(item, field="NS/ID")))
    if found is None or not isinstance(found.state, Item):
        raise UnknownItem(f"item {item} is not registered", item=item)
    return found.state


def sold_by(house: House, item: str, code: str) -> str:
    """Name the order that sold an item last; `code` is what the command's own rule would say.

    Raises:
        UnknownItem: it was never registered.
        Usage: with `code`: no order sold it.

    """
    goods = standing_item(house, item).goods
    if goods is None or goods.sold is None:
        raise Usage(f"no order sold {item}", code=code, item=item)
    return goods.sold
