"""Listings: what a merchant offers to everybody, every edit of it whole.

An edit is the whole listing again; its digest is what an order pins, and the entry says which
material fields it changed. The published text itself is elsewhere; only its SHA-256 is here.
Specification: docs/spec.md section 9.9.
"""

from __future__ import annotations

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.digests import listing_digest
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed
from ledger.rules.items import check_price
from ledger.rules.merchants import (
    check_merchant_signs,
    check_qualified,
    merchant_of,
    merchant_stream,
)
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.state import State
from ledger.rules.trade_errors import (
    ListingEnded,
    ListingUnchanged,
    NamespaceDiffers,
    UnknownListing,
)
from ledger.rules.trade_state import Listing

DAYS_MAX = 36_600
# All that a buyer relies on, beside the words of the text.
MATERIAL = ("class", "price", "product", "promises", "region", "validity_days")


def listing_stream(listing: str) -> str:
    """Name the stream of a listing `NS/ID`."""
    return f"listing/{listing}"


def _publish(given: Given) -> list[Fact]:
    body = given.body
    merchant = merchant_of(given)
    check_merchant_signs(given, party=merchant.party)
    namespace = body["listing"].partition("/")[0]
    if namespace != merchant.namespace:
        raise NamespaceDiffers(
            "a merchant lists in its own namespace",
            namespace=namespace,
            merchant=merchant.namespace,
        )
    check_qualified(given, merchant, body["class"])
    if body["price"]["amount"] == "0":
        raise Malformed("command.body.price.amount", "is zero")
    check_price(given, body["price"])
    snapshot, material = listing_digest(body), []
    found = given.view.stream(listing_stream(body["listing"]))
    if found is not None:
        listing = _open(_listing(found.state), body["listing"])
        if listing.snapshot == snapshot:
            raise ListingUnchanged("the edit changes nothing", snapshot=snapshot)
        material = [name for name in MATERIAL if listing.terms[name] != body[name]]
    data = {"material": material, "snapshot": snapshot}
    return [Fact(listing_stream(body["listing"]), "listing-published/1", data)]


def _listing(state: State | None) -> Listing:
    assert isinstance(state, Listing)  # noqa: S101 - the stream's name says what it holds
    return state


def _open(listing: Listing, name: str) -> Listing:
    if listing.ended:
        raise ListingEnded("the listing has ended", listing=name)
    return listing


def _published(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    return Listing(entry.data["snapshot"], entry.command.body)


def _end(given: Given) -> list[Fact]:
    name = given.body["listing"]
    found = given.view.stream(listing_stream(name))
    if found is None:
        raise UnknownListing(f"no such listing: {name}", listing=name)
    listing = _listing(found.state)
    check_merchant_signs(given, party=listing.merchant)
    _open(listing, name)
    return [Fact(listing_stream(name), "listing-ended/1", {})]


def _ended(state: State | None, _entry: Entry) -> State:
    return _listing(state)._replace(ended=True)


def _own_stream(command: Command) -> tuple[str, ...]:
    return (listing_stream(command.body["listing"]),)


def _with_merchant(command: Command) -> tuple[str, ...]:
    return (*_own_stream(command), merchant_stream(command.body["merchant"]))


KINDS = (
    Kind(
        "publish-listing/1",
        (("merchant",),),
        {
            "class": schema.name,
            "listing": schema.item,
            "merchant": schema.identifier,
            "price": schema.money,
            "product": schema.namespace,
            "promises": schema.hex32,
            "region": schema.name,
            "text": schema.hex32,
            "validity_days": schema.nullable(schema.whole(1, DAYS_MAX)),
        },
        _publish,
        expects=_with_merchant,
        exact=True,
    ),
    Kind(
        "end-listing/1",
        (("merchant",),),
        {"listing": schema.item},
        _end,
        expects=_own_stream,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "listing-published/1",
        {
            "material": schema.sorted_items(schema.one_of(MATERIAL), most=len(MATERIAL)),
            "snapshot": schema.hex32,
        },
        _published,
        "a listing was published",
    ),
    EventType("listing-ended/1", {}, _ended, "a listing has ended"),
)
