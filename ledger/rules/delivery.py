"""Delivery: the agent that an owner named, or the merchant itself, hands an item over to its buyer.

Delivery sells the item: it is the buyer's from then on, and the time to inspect it begins. A card
goes with a parcel that only the buyer can open, whose digest stands in the command. Specification:
docs/spec.md section 9.13.
"""

from __future__ import annotations

from typing import Any

from ledger.rules import schema
from ledger.rules.commands import Signer
from ledger.rules.entries import Entry
from ledger.rules.errors import ItemFrozen, Malformed
from ledger.rules.items import as_item, item_stream
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.order_lines import check_not_flagged
from ledger.rules.order_state import HELD, Line, Order
from ledger.rules.orders import (
    LINES_MAX,
    as_order,
    later,
    order_and_terms,
    order_of,
    order_stream,
)
from ledger.rules.payments import periods_of
from ledger.rules.state import Item, State
from ledger.rules.text import format_time, time_us
from ledger.rules.trade_errors import (
    DeliveryLate,
    LineDelivered,
    LineNotHeld,
    NotAgent,
    ParcelDiffers,
    UnknownLine,
)


def lines_named(order: Order, numbers: list[int], field: str) -> list[Line]:
    """Return the lines of these numbers, which a body names under `field`.

    Raises:
        Malformed: The numbers do not ascend.
        UnknownLine: The order has no such line.

    """
    if numbers != sorted(set(numbers)):
        raise Malformed(f"command.body.{field}", "is not sorted by line, each once")
    return [line_of(order, number) for number in numbers]


def line_of(order: Order, number: int) -> Line:
    """Return a line by its number, from 1. Raises `UnknownLine`."""
    if number > len(order.lines):
        raise UnknownLine("the order has no such line", line=number, lines=len(order.lines))
    return order.lines[number - 1]


def check_held(number: int, line: Line) -> None:
    """Accept a line whose price is in escrow, or some of it. Raises `LineNotHeld`."""
    if line.state != HELD:
        raise LineNotHeld("nothing is in escrow for this line", line=number, state=line.state)


def _deliver(given: Given) -> list[Fact]:
    order, parcels = order_of(given), given.body["parcels"]
    lines = lines_named(order, [parcel["line"] for parcel in parcels], "parcels")
    sold, inspect_by = [], []
    for parcel, line in zip(parcels, lines, strict=True):
        item = _deliverable(given, parcel["line"], line)
        periods = periods_of(given, order, line.item_class)
        _check_parcel(parcel, wanted=order.key is not None and periods["sells"] == "card")
        inspect_by.append(later(given.at, periods["inspect_s"]))
        data = {"from": item.owner, "order": given.body["order"], "to": order.buyer}
        sold.append(Fact(item_stream(line.item), "item-sold/1", data))
    own = Fact(order_stream(given.body["order"]), "lines-delivered/1", {"inspect_by": inspect_by})
    return [own, *sold]


def _deliverable(given: Given, number: int, line: Line) -> Item:
    """Read the item of a line that the signer may deliver now."""
    check_held(number, line)
    if line.delivered:
        raise LineDelivered("the line was delivered", line=number)
    assert line.deliver_by is not None  # noqa: S101 - a line that is held was paid for
    if given.at > line.deliver_by:
        due = format_time(line.deliver_by)
        raise DeliveryLate("the time to deliver is over", line=number, deliver_by=due)
    found = given.view.stream(item_stream(line.item))
    item = as_item(found.state if found else None)
    _check_agent(number, line, item, given.command.signers[0])
    if item.frozen:
        raise ItemFrozen("the item is frozen", item=line.item)
    check_not_flagged(line.item, item)
    return item


def _check_agent(number: int, line: Line, item: Item, signer: Signer) -> None:
    escrow = item.goods.escrow if item.goods else None
    agent = escrow.agent if escrow else None
    if signer.party != (line.merchant if signer.role == "merchant" else agent):
        raise NotAgent(
            "another party delivers this line",
            line=number,
            agent=agent,
            merchant=line.merchant,
            signer=signer.party,
        )


def _check_parcel(parcel: dict[str, Any], *, wanted: bool) -> None:
    if (parcel["parcel"] is not None) != wanted:
        message = "is a card for the buyer's key" if wanted else "brings nothing in a parcel"
        raise ParcelDiffers(f"the line {message}", line=parcel["line"], wanted=wanted)


def _delivered(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    order = as_order(state)
    lines = list(order.lines)
    parcels = entry.command.body["parcels"]
    for parcel, due in zip(parcels, entry.data["inspect_by"], strict=True):
        place = parcel["line"] - 1
        lines[place] = lines[place]._replace(inspect_by=time_us(due, field="data.inspect_by"))
    return order._replace(lines=tuple(lines))


def _sold(state: State | None, entry: Entry) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - only goods are ordered
    # It is at its new owner's hand: with no agent, and no order's any more.
    goods = item.goods._replace(
        escrow=None, order=None, sold=entry.data["order"], sold_at=entry.at, failed=0
    )
    return item._replace(owner=entry.data["to"], offer=None, imports_only=False, goods=goods)


_PARCEL: schema.Schema = {
    "line": schema.whole(1, LINES_MAX),
    "parcel": schema.nullable(schema.hex32),
}

KINDS = (
    Kind(
        "deliver-lines/1",
        (("agent",), ("merchant",)),
        {
            "order": schema.uuid7,
            "parcels": schema.items(schema.nested(_PARCEL), least=1, most=LINES_MAX),
        },
        _deliver,
        reads=order_and_terms,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "lines-delivered/1",
        {"inspect_by": schema.items(schema.time, least=1, most=LINES_MAX)},
        _delivered,
        "lines of an order were delivered",
    ),
    EventType(
        "item-sold/1",
        {"from": schema.party, "order": schema.uuid7, "to": schema.party},
        _sold,
        "the item was sold and delivered to its buyer",
    ),
)
