"""The lines of an order as they are asked for: each an item, a listing as seen, and its merchant.

What a buyer signs for must be so at the time of the entry: the listing unchanged, the merchant
qualified, the item its merchant's, in escrow, and no other order's. Specification: docs/spec.md
section 9.12.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.rules.errors import ItemFrozen, Malformed, NotOwner, SameParty, UnknownItem
from ledger.rules.items import as_item, item_stream
from ledger.rules.listings import listing_stream
from ledger.rules.merchants import check_qualified, merchant_stream
from ledger.rules.model import Given
from ledger.rules.state import Item, Published
from ledger.rules.terms import class_terms
from ledger.rules.trade_errors import (
    ClassWithoutTerms,
    CurrencyMixed,
    GoodsDiffer,
    ItemFlagged,
    ItemNotForSale,
    ItemReserved,
    ListingEnded,
    PriceDiffers,
    SnapshotDiffers,
    UnknownListing,
    UnknownMerchant,
)
from ledger.rules.trade_state import Goods, Listing, Merchant


class Asked(NamedTuple):
    """One line of the body, what the trade policy says of its class, and its merchant's labels."""

    line: dict[str, str]
    item_class: str
    periods: dict[str, Any]
    labels: tuple[str, ...]


def asked_lines(given: Given, terms: Published) -> list[Asked]:
    """Accept every line of a `place-order/1`, in order.

    Raises:
        Malformed: An item is in two lines.
        Refused: A line is not, or no longer, as the buyer signed it.

    """
    lines = given.body["lines"]
    _check_distinct(lines)
    return [_asked(given, number, terms) for number in range(1, len(lines) + 1)]


def _check_distinct(lines: list[dict[str, str]]) -> None:
    seen: set[str] = set()
    for place, line in enumerate(lines):
        if line["item"] in seen:
            raise Malformed(f"command.body.lines[{place}].item", "is in another line too")
        seen.add(line["item"])


def _asked(given: Given, number: int, terms: Published) -> Asked:
    line = given.body["lines"][number - 1]
    listing = _listing(given, number, line)
    item_class = str(listing.terms["class"])
    merchant = _merchant(given, line["merchant"])
    check_qualified(given, merchant, item_class)
    periods = class_terms(terms, item_class)
    if periods is None:
        raise ClassWithoutTerms(
            "the trade policy says nothing of this class", line=number, item_class=item_class
        )
    buyer = given.command.signers[0].party
    if buyer == merchant.party:
        raise SameParty("nobody buys from itself", party=buyer)
    item = _item(given, line["item"])
    if item.owner != merchant.party:
        raise NotOwner(
            f"{merchant.party} does not own the item", party=merchant.party, owner=item.owner
        )
    _check_goods(number, line["item"], item.goods, listing)
    return Asked(line, item_class, periods, merchant.label_names)


def _listing(given: Given, number: int, line: dict[str, str]) -> Listing:
    name = line["listing"]
    found = given.view.stream(listing_stream(name))
    if found is None:
        raise UnknownListing(f"no such listing: {name}", listing=name)
    listing = found.state
    assert isinstance(listing, Listing)  # noqa: S101 - the stream's name says what it holds
    if listing.ended:
        raise ListingEnded("the listing has ended", listing=name)
    if (listing.snapshot, listing.merchant) != (line["snapshot"], line["merchant"]):
        raise SnapshotDiffers(
            "the listing is not what the buyer saw",
            line=number,
            listing=name,
            merchant=listing.merchant,
            snapshot=listing.snapshot,
        )
    _check_price(given, number, line, listing.terms["price"])
    return listing


def _check_price(given: Given, number: int, line: dict[str, str], price: dict[str, str]) -> None:
    if price["currency"] != given.body["currency"]:
        raise CurrencyMixed(
            "the line is in another currency",
            line=number,
            currency=given.body["currency"],
            found=price["currency"],
        )
    if price["amount"] != line["price"]:
        raise PriceDiffers(
            "the listing asks for another price",
            line=number,
            named=line["price"],
            price=price["amount"],
        )


def _merchant(given: Given, party: str) -> Merchant:
    found = given.view.stream(merchant_stream(party))
    if found is None:
        raise UnknownMerchant(f"{party} was never qualified", merchant=party)
    assert isinstance(found.state, Merchant)  # noqa: S101 - by the stream's name
    return found.state


def _item(given: Given, name: str) -> Item:
    """Read an item that is for sale at all: placed in escrow, not frozen, not reserved."""
    found = given.view.stream(item_stream(name))
    if found is None:
        raise UnknownItem(f"item {name} is not registered", item=name)
    item = as_item(found.state)
    if item.goods is None:
        raise ItemNotForSale("the item is not in escrow", item=name)
    if item.goods.order is not None:
        raise ItemReserved("the item is another order's", item=name, order=item.goods.order)
    if item.goods.escrow is None:
        raise ItemNotForSale("the item is not in escrow", item=name)
    if item.frozen:
        raise ItemFrozen("the item is frozen", item=name)
    check_not_flagged(name, item)
    return item


def check_not_flagged(name: str, item: Item) -> None:
    """Accept an item whose card key is no other item's. Raises `ItemFlagged`."""
    alert = item.goods.flagged if item.goods else None
    if alert is not None:
        raise ItemFlagged("another item holds the same card key", item=name, alert=alert)


def _check_goods(number: int, name: str, goods: Goods | None, listing: Listing) -> None:
    assert goods is not None  # noqa: S101 - looked at in _item
    listed = (listing.terms["class"], listing.terms["product"])
    if (goods.item_class, goods.product) != listed:
        raise GoodsDiffer(
            "the item is not what the listing names",
            line=number,
            item=name,
            item_class=goods.item_class,
            product=goods.product,
        )
