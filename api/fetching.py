"""Giving a parcel to the buyer of its order, as it was delivered.

Nobody else could open it, and nobody else gets it. Specification: docs/spec.md section 7.2.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from api.access import Caller, access
from api.errors import NotAuthorised, ParcelNotFound
from api.house import House
from api.parcels import address_of
from api.timers import SYSTEM
from ledger.cards.parcels import parcel_digest
from ledger.record.errors import EntryDamaged
from ledger.record.stored import read_stored
from ledger.rules.entries import Entry
from ledger.rules.evolve import evolve
from ledger.rules.order_state import Order
from ledger.rules.orders import order_stream
from ledger.rules.state import Stream

ACCESS: Final = access(anonymous="none", party="own")
_DELIVERED: Final = "lines-delivered/1"
WHY: Final = {
    "undelivered": "the line was not delivered",
    "no-parcel": "the line was delivered without a parcel; its owner reveals the card",
    "by-another": "whoever delivered the line hands its parcel over; it is not kept here",
    "lost": "the parcel is lost; its owner reveals the card",
}


def fetch_parcel(house: House, order: str, line: int, caller: Caller) -> dict[str, Any]:
    """Read the parcel of a line of an order that the caller placed; blocks.

    Args:
        house: The ledger.
        order: Id of the order.
        line: Its line, from 1.
        caller: Who asks.

    Raises:
        NotAuthorised: It is no line of an order of the caller's.
        ParcelNotFound: There is none here; `reason` is a name of `WHY`.
        EntryDamaged: What is stored is not what was delivered.

    """
    found: Stream | None = None
    delivery: tuple[Entry, str | None] | None = None
    for stored in house.reader.stream_entries(order_stream(order)):
        entry = read_stored(stored)
        found = evolve(found, entry, command=stored.command.hex())
        if entry.type == _DELIVERED and entry.command is not None:
            named = {each["line"]: each["parcel"] for each in entry.command.body["parcels"]}
            delivery = (entry, named[line]) if line in named else delivery
    state = None if found is None else found.state
    if not isinstance(state, Order) or state.buyer != caller.party or line > len(state.lines):
        raise NotAuthorised("this is no line of an order of the signer's", order=order, line=line)
    item = state.lines[line - 1].item
    digest, parcel = _stored(house, order, line, delivery)
    address = address_of(house.reader, house.origin, item=item, order=order, line=line)
    return {
        "commitment": address.commitment,
        "digest": digest,
        "item": item,
        "line": line,
        "order": order,
        "parcel": b64encode(parcel).decode(),
        "product": address.product,
    }


def _stored(
    house: House, order: str, line: int, delivery: tuple[Entry, str | None] | None
) -> tuple[str, bytes]:
    """Read the parcel that was delivered, and compare."""
    if delivery is None:
        raise _none(order, line, "undelivered")
    entry, digest = delivery
    if digest is None:
        raise _none(order, line, "no-parcel")
    row = house.recorder.parcel(order, line)
    if row is None:
        ours = entry.command is not None and entry.command.by == SYSTEM
        raise _none(order, line, "lost" if ours else "by-another")
    if parcel_digest(row.parcel) != digest:
        raise EntryDamaged(f"the parcel of line {line} of {order}", "it is not what was delivered")
    return digest, row.parcel


def _none(order: str, line: int, reason: str) -> ParcelNotFound:
    return ParcelNotFound(WHY[reason], order=order, line=line, reason=reason)
