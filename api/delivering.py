"""Delivery: what the platform does for merchants who placed their cards with it.

As soon as an order is paid, every line that the platform may deliver is delivered: in a parcel to
the order's key where it brought one, which is stored in the transaction that records its delivery.
What cannot be delivered now (frozen, flagged, with another agent, or a card that the vault lost)
stays undelivered; its time to deliver decides. Specification: docs/spec.md sections 7.2 and 9.13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from api.desk import Hand, Order, write
from api.house import House
from api.packing import NotPacked, pack
from api.timers import SYSTEM
from ledger.application import Accepted
from ledger.cards.parcels import parcel_digest
from ledger.rules.errors import ItemFrozen
from ledger.rules.items import item_stream
from ledger.rules.model import TERMS_STREAM
from ledger.rules.order_state import HELD, Line
from ledger.rules.order_state import Order as Ordered
from ledger.rules.orders import order_stream
from ledger.rules.state import Item, Terms
from ledger.rules.terms import class_terms
from ledger.rules.timers import ORDER_UNDELIVERED
from ledger.rules.trade_errors import (
    DeliveryLate,
    ItemFlagged,
    LineDelivered,
    LineNotHeld,
    NotAgent,
)
from ledger.submission import Submission
from projections.orders import Orders

# Whatever is due until then: every order that waits for a delivery has a time for it.
_EVER_US: Final = (1 << 63) - 1
# Another process was first, or somebody acted in between.
_PASSED: Final = (
    *(LineDelivered, LineNotHeld, NotAgent),
    *(ItemFrozen, ItemFlagged, DeliveryLate),
)


Tell = Callable[[str, int, NotPacked], object]
"""Is told of an order and a line of it whose card cannot be delivered."""


def deliver_paid(house: House, tell: Tell = lambda _order, _line, _why: None) -> int:
    """Deliver what is paid and lies with the platform.

    Args:
        house: Open for writing; its views are up to date.
        tell: Called for every line whose card cannot be delivered.

    Returns:
        How many orders got something.

    Raises:
        RuleError: The ledger refuses a delivery that it should accept; all others are made.
        DatabaseUnavailable: The rest waits for the next call.
        HardwareKeyUnavailable: Likewise.

    """
    delivered, after = 0, None
    refused: list[Exception] = []
    orders = Orders(house.reader)
    while rows := orders.due(_EVER_US, [ORDER_UNDELIVERED], after=after):
        submissions = [_delivery(house, row.order_id, tell) for row in rows]
        outcomes = house.ledger.submit([each for each in submissions if each is not None])
        for outcome in outcomes:
            if isinstance(outcome, Accepted):
                delivered += 1
            elif not isinstance(outcome, _PASSED):
                refused.append(outcome)
        after = rows[-1]
    # Not at once: one order that cannot be delivered holds up nobody else's.
    if refused:
        raise refused[0]
    return delivered


def _delivery(house: House, name: str, tell: Tell) -> Submission | None:
    """Write the delivery of what can be delivered of an order now, if anything can."""
    found = house.ledger.stream(order_stream(name))
    order = None if found is None else found.state
    if not isinstance(order, Ordered):
        return None
    packed = _packed(house, name, order, tell)
    if not packed:
        return None
    digests = {line: None if each is None else parcel_digest(each) for line, each in packed.items()}
    parcels = [{"line": line, "parcel": digest} for line, digest in digests.items()]
    hands = [Hand(SYSTEM, "agent", house.signer(SYSTEM))]
    made = tuple(each for each in packed.values() if each is not None)
    wanted = Order("deliver-lines/1", hands, {"order": name, "parcels": parcels}, parcels=made)
    return write(house.context(), wanted, random=house.random)[1]


def _packed(house: House, name: str, order: Ordered, tell: Tell) -> dict[int, bytes | None]:
    """Pack what can be delivered, by line; None where nothing is wanted in a parcel."""
    now, packed = house.clock.now(), dict[int, bytes | None]()
    for number, line in enumerate(order.lines, start=1):
        if not _waits(line, now) or not _lies_here(house, line):
            continue
        try:
            to = order.key if _sold_as_card(house, order, line) else None
            packed[number] = None if to is None else pack(house, name, number, line.item, to=to)
        except NotPacked as why:
            tell(name, number, why)
    return packed


def _sold_as_card(house: House, order: Ordered, line: Line) -> bool:
    """Say whether the order's trade policy sells the class as cards; the item's may be another."""
    found = house.ledger.stream(TERMS_STREAM)
    terms = found.state.of(order.terms) if found and isinstance(found.state, Terms) else None
    periods = None if terms is None else class_terms(terms, line.item_class)
    return periods is not None and periods["sells"] == "card"


def _waits(line: Line, now: int) -> bool:
    in_time = line.deliver_by is not None and now <= line.deliver_by
    return line.state == HELD and not line.delivered and in_time


def _lies_here(house: House, line: Line) -> bool:
    """Say whether a line is a card that its owner placed with the platform, and may be sold."""
    found = house.ledger.stream(item_stream(line.item))
    item = None if found is None else found.state
    if not isinstance(item, Item) or item.goods is None or item.goods.escrow is None:
        return False
    is_card = item.goods.card is not None and item.goods.flagged is None
    return is_card and item.goods.escrow.agent == SYSTEM and not item.frozen
