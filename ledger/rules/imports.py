"""Imported history: sales whose parties signed nothing, attested by the importer.

The command's own entry presents the row and moves nothing; its effects declare the first sight or
a provenance gap, then move the item. The owner at first sight is the seller. An absent party stands
as `unknown`. Specification: docs/spec.md section 8.
"""

from __future__ import annotations

from functools import lru_cache

from ledger.rules import schema
from ledger.rules.digests import sale_identity
from ledger.rules.entries import Entry
from ledger.rules.errors import (
    ImportedPartyClaimed,
    ItemFrozen,
    ItemUnderSignature,
    Malformed,
    OutOfOrder,
    SalePresent,
)
from ledger.rules.items import (
    as_item,
    check_namespace_owner,
    check_price,
    item_stream,
    stream_of_item,
)
from ledger.rules.keys import new_key
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.parties import check_new_signer, check_officers
from ledger.rules.state import UNKNOWN, Item, Party, State
from ledger.rules.text import format_time, is_imported, party_stream, time_us

BUYER_NOT_RECORDED = "buyer-not-recorded"
MOVED_ELSEWHERE = "moved-elsewhere"
_ROW_MAX = (1 << 53) - 1
# More than the rows of an import that are on their way at once.
_IDENTITIES_KEPT = 4096


@lru_cache(maxsize=_IDENTITIES_KEPT)
def identity_of(  # noqa: PLR0913, PLR0917 - the parts of a sale, in the order of its identity
    namespace: str,
    tx: str | None,
    item: str,
    seller: str | None,
    buyer: str | None,
    price: tuple[str, str] | None,
    time: str,
    ordinal: int,
) -> str:
    """Return the identity of a sale; `price` is amount and currency.

    Kept for a while: reading a row, planning it and deciding it each ask for its identity.
    """
    money = None if price is None else {"amount": price[0], "currency": price[1]}
    row = {"item": item, "from": seller, "to": buyer, "price": money, "time": time}
    return sale_identity(namespace, row, tx=tx, ordinal=ordinal)


def _identity(given: Given) -> str:
    body = given.body
    namespace, _, item = body["item"].partition("/")
    price = body["price"]
    money = None if price is None else (price["amount"], price["currency"])
    return identity_of(
        namespace,
        body["tx"],
        item,
        body["from"],
        body["to"],
        money,
        body["time"],
        body["ordinal"],
    )


def _known(given: Given) -> Item | None:
    found = given.view.stream(item_stream(given.body["item"]))
    return None if found is None else as_item(found.state)


def _holds_key(given: Given, owner: str) -> bool:
    # Nobody is `unknown`: there is no such stream, and no proof could hold it.
    return owner != UNKNOWN and given.view.stream(party_stream(owner)) is not None


def _check_row(given: Given) -> None:
    """Check, in this order and before `expect`: present, under signature, out of order."""
    check_namespace_owner(given, party=given.command.signers[0].party)
    item = _known(given)
    if item is None:
        return
    name, identity = given.body["item"], _identity(given)
    if identity in item.sales:
        raise SalePresent("this sale is in the ledger", identity=identity)
    if not item.imports_only or _holds_key(given, item.owner):
        raise ItemUnderSignature("a key holder signed for this item", item=name, owner=item.owner)
    sold = time_us(given.body["time"], field="command.body.time")
    if item.last_sale is not None and sold < item.last_sale:
        last = format_time(item.last_sale)
        raise OutOfOrder("the sale is older than the last one", time=given.body["time"], last=last)
    if item.frozen:
        raise ItemFrozen("the item is frozen", item=name)


def imported_party(namespace: str, identifier: str | None) -> str:
    """Name the party that an import knows by this identifier; `unknown` where it names none."""
    return UNKNOWN if identifier is None else f"imported/{namespace}/{identifier}"


def _import(given: Given) -> list[Fact]:
    body = given.body
    check_price(given, body["price"])
    stream = item_stream(body["item"])
    namespace = body["item"].partition("/")[0]
    seller = imported_party(namespace, body["from"])
    buyer = imported_party(namespace, body["to"])
    item = _known(given)
    facts = [Fact(stream, "sale-presented/1", {"identity": _identity(given)})]
    if item is None:
        facts.append(Fact(stream, "item-first-seen/1", {"owner": seller}))
    elif item.owner != seller:
        reason = BUYER_NOT_RECORDED if item.owner == UNKNOWN else MOVED_ELSEWHERE
        gap = {"from": item.owner, "reason": reason, "to": seller}
        facts.append(Fact(stream, "provenance-gap-recorded/1", gap))
    facts.append(Fact(stream, "sale-imported/1", {"from": seller, "to": buyer}))
    return facts


def _presented(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    sold = time_us(entry.command.body["time"], field="command.body.time")
    before = Item(owner=UNKNOWN, imports_only=True) if state is None else as_item(state)
    return before._replace(last_sale=sold, sales=(*before.sales, entry.data["identity"]))


def _first_seen(state: State | None, entry: Entry) -> State:
    return as_item(state)._replace(owner=entry.data["owner"])


def _to(state: State | None, entry: Entry) -> State:
    return as_item(state)._replace(owner=entry.data["to"])


def _claim(given: Given) -> list[Fact]:
    imported = given.body["party"]
    if not is_imported(imported):
        raise Malformed("command.body.party", "is not an imported party")
    stream = party_stream(imported)
    if given.view.stream(stream) is not None:
        raise ImportedPartyClaimed(f"{imported} is bound to a key", party=imported)
    check_officers(given, party=imported)
    check_new_signer(given, position=0, party=imported)
    ready = given.at + given.policy.delay("claim_cool_down")
    return [Fact(stream, "imported-party-claimed/1", {"ready": format_time(ready)})]


def _claimed(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body = entry.command.body
    ready = time_us(entry.data["ready"], field="entry.data.ready")
    key = new_key(body["key"], index=entry.index, ready=ready)
    return Party(body["party"], (key,), attested=True)


_SALE: schema.Schema = {
    "from": schema.nullable(schema.identifier),
    "item": schema.item,
    "ordinal": schema.whole(0, _ROW_MAX),
    "price": schema.nullable(schema.money),
    "source": schema.nested({"file": schema.hex32, "row": schema.whole(1, _ROW_MAX)}),
    "time": schema.time,
    "to": schema.nullable(schema.identifier),
    "tx": schema.nullable(schema.any_string),
}

KINDS = (
    Kind(
        "import-sale/1",
        (("importer",),),
        _SALE,
        _import,
        expects=stream_of_item,
        before_expect=_check_row,
        risky=True,
    ),
    Kind(
        "claim-imported-party/1",
        (("claimant", "officer", "officer"),),
        {"key": schema.key, "party": schema.party},
        _claim,
        newcomer="claimant",
        risky=True,
    ),
)
EVENTS = (
    EventType("sale-presented/1", {"identity": schema.hex32}, _presented, "a sale was presented"),
    EventType(
        "item-first-seen/1",
        {"owner": schema.party},
        _first_seen,
        "the item was seen for the first time; its earlier history is unknown",
    ),
    EventType(
        "provenance-gap-recorded/1",
        {
            "from": schema.party,
            "reason": schema.one_of({BUYER_NOT_RECORDED, MOVED_ELSEWHERE}),
            "to": schema.party,
        },
        _to,
        "the item moved in a way that no record shows",
    ),
    EventType(
        "sale-imported/1",
        {"from": schema.party, "to": schema.party},
        _to,
        "an imported sale moved the item",
    ),
    EventType(
        "imported-party-claimed/1",
        {"ready": schema.time},
        _claimed,
        "an imported party was bound to a key",
    ),
)
