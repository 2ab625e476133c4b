"""Revealing: an item's owner asks to see the card that was sold, once and for all to know.

Who sees a key can use it, so that it was seen is an event: signed by the owner, before anybody
shows it. An order with a key of its own gets its card in a parcel; this is the other way, and the
only one for whoever got the item later. Specification: docs/spec.md section 9.15.
"""

from __future__ import annotations

from ledger.rules import schema
from ledger.rules.delivery import line_of
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed
from ledger.rules.items import as_item, item_stream, owned, stream_of_item
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.order_state import CHARGED_BACK, REFUNDED
from ledger.rules.orders import LINES_MAX, order_of, own_order
from ledger.rules.state import State
from ledger.rules.trade_errors import CardNotSold, CardRevealed, LineNotHeld


def _reveal(given: Given) -> list[Fact]:
    body, goods = given.body, owned(given).goods
    sold = None if goods is None or goods.card is None else goods.sold
    if goods is None or sold is None or sold != body["order"]:
        raise CardNotSold(
            "the item was not sold as a card by this order", item=body["item"], sold=sold
        )
    if goods.revealed is not None:
        raise CardRevealed("the card was revealed", item=body["item"], order=goods.revealed)
    line = line_of(order_of(given), body["line"])
    if line.item != body["item"]:
        raise Malformed("command.body.line", "is of another item")
    if line.state in {CHARGED_BACK, REFUNDED}:
        # Who got all of the price back has no claim to what it was paid for.
        raise LineNotHeld("the price went back to the buyer", line=body["line"], state=line.state)
    return [Fact(item_stream(body["item"]), "card-revealed/1", {"order": sold})]


def _revealed(state: State | None, entry: Entry) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    return item._replace(offer=None, goods=item.goods._replace(revealed=entry.data["order"]))


KINDS = (
    Kind(
        "reveal-card/1",
        (("owner",),),
        {
            "item": schema.item,
            "line": schema.whole(1, LINES_MAX),
            "order": schema.uuid7,
        },
        _reveal,
        expects=stream_of_item,
        reads=own_order,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "card-revealed/1", {"order": schema.uuid7}, _revealed, "the owner asked to see the card"
    ),
)
