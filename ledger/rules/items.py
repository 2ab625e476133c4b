"""Items: registering, transferring, offering, freezing.

A transfer is one command signed by owner and recipient, or an offer and an acceptance that names
it. An offer ends by withdrawal, refusal, its `until`, any transfer, or a freeze. A frozen item does
not move. Specification: docs/spec.md section 9.4.
"""

from __future__ import annotations

from typing import Any

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.errors import (
    ItemExists,
    ItemFrozen,
    ItemNotFrozen,
    NoSuchOffer,
    NotNamespaceOwner,
    NotOwner,
    NotRecipient,
    OfferEnded,
    OfferPending,
    SameParty,
    UnknownCurrency,
    UnknownItem,
    UnknownNamespace,
)
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.parties import party_of
from ledger.rules.state import Item, Namespace, Offer, State
from ledger.rules.text import format_time, time_us
from ledger.rules.trade_errors import ItemEscrowed, ItemReserved
from ledger.rules.trade_state import Goods

FREEZE_GROUNDS = frozenset({"reported-stolen", "in-dispute", "official-order", "under-review"})
UNFREEZE_GROUNDS = frozenset({"report-withdrawn", "dispute-ended", "order-lifted", "review-ended"})
ITEM_CLASSES = frozenset({"point-card", "virtual-equipment", "software-licence", "other"})


def item_stream(item: str) -> str:
    """Name the stream of an item `NS/ID`."""
    return f"item/{item}"


def item_of(given: Given) -> Item:
    """Read the body's item, which must exist. Raises `UnknownItem`."""
    name = given.body["item"]
    found = given.view.stream(item_stream(name))
    if found is None:
        raise UnknownItem(f"item {name} is not registered", item=name)
    return as_item(found.state)


def as_item(state: State | None) -> Item:
    """Take a state for what the stream's name says it is."""
    assert isinstance(state, Item)  # noqa: S101 - the stream's name says what it holds
    return state


def check_namespace_owner(given: Given, *, party: str) -> None:
    """Accept the owner of the body's item's namespace.

    Raises:
        UnknownNamespace: Nobody opened it.
        NotNamespaceOwner: Somebody else did.

    """
    namespace = given.body["item"].partition("/")[0]
    found = given.view.stream(f"namespace/{namespace}")
    if found is None:
        raise UnknownNamespace(f"nobody opened {namespace}", namespace=namespace)
    assert isinstance(found.state, Namespace)  # noqa: S101 - by the stream's name
    if found.state.owner != party:
        raise NotNamespaceOwner(
            f"{namespace} is not {party}'s", namespace=namespace, owner=found.state.owner
        )


def check_price(given: Given, price: dict[str, str] | None) -> None:
    """Accept a price in a currency of the policy, or none. Raises `UnknownCurrency`."""
    if price is not None and not given.policy.knows(price["currency"]):
        raise UnknownCurrency("the policy has no such currency", currency=price["currency"])


def _register(given: Given) -> list[Fact]:
    item, owner = given.body["item"], given.command.signers[0].party
    check_namespace_owner(given, party=owner)
    if given.view.stream(item_stream(item)) is not None:
        raise ItemExists(f"item {item} is registered", item=item)
    return [Fact(item_stream(item), "item-registered/1", {"owner": owner})]


def _registered(_state: State | None, entry: Entry) -> State:
    return Item(owner=entry.data["owner"])


def owned(given: Given) -> Item:
    """Read an item that its owner, who signs first, may move now.

    Raises:
        UnknownItem: Nobody registered it.
        NotOwner: Another party owns it.
        ItemFrozen: It is frozen.
        ItemReserved: It is an order's.
        ItemEscrowed: It is with an agent.

    """
    item, signer = item_of(given), given.command.signers[0].party
    if item.owner != signer:
        raise NotOwner(f"{signer} does not own the item", party=signer, owner=item.owner)
    if item.frozen:
        raise ItemFrozen("the item is frozen", item=given.body["item"])
    if item.goods is not None:
        _check_at_hand(given.body["item"], item.goods)
    return item


def _check_at_hand(name: str, goods: Goods) -> None:
    check_not_reserved(name, goods)
    if goods.escrow is not None:
        raise ItemEscrowed("the item is with an agent", item=name, agent=goods.escrow.agent)


def check_not_reserved(name: str, goods: Goods) -> None:
    """Accept goods that no order is made for. Raises `ItemReserved`."""
    if goods.order is not None:
        raise ItemReserved("the item is an order's", item=name, order=goods.order)


def _transfer(given: Given) -> list[Fact]:
    item, recipient = owned(given), given.command.signers[1].party
    if recipient == item.owner:
        raise SameParty("the owner cannot be the recipient", party=recipient)
    check_price(given, given.body["price"])
    return [_moved(given, item.owner, recipient)]


def _moved(given: Given, owner: str, recipient: str) -> Fact:
    data = {"from": owner, "to": recipient}
    return Fact(item_stream(given.body["item"]), "item-transferred/1", data)


def _transferred(state: State | None, entry: Entry) -> State:
    item = as_item(state)
    # Not `_replace`, which takes more than twice as long: nearly every entry is a transfer.
    return Item(
        entry.data["to"],
        item.frozen,
        offer=None,
        imports_only=False,
        last_sale=item.last_sale,
        sales=item.sales,
        goods=item.goods,
    )


def _offer(given: Given) -> list[Fact]:
    item, recipient = owned(given), given.body["to"]
    if recipient == item.owner:
        raise SameParty("the owner cannot be the recipient", party=recipient)
    party_of(given, recipient)
    check_price(given, given.body["price"])
    until = time_us(given.body["until"], field="command.body.until")
    if until <= given.at:
        raise OfferEnded("the offer ends before it starts", until=given.body["until"])
    if item.offer is not None and item.offer.until > given.at:
        raise OfferPending("the item is on offer", offer=item.offer.digest, to=item.offer.to)
    data = {"from": item.owner}
    return [Fact(item_stream(given.body["item"]), "transfer-offered/1", data)]


def _offered(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body = entry.command.body
    until = time_us(body["until"], field="command.body.until")
    offer = Offer(entry.command.digest, body["to"], until, body["price"])
    return as_item(state)._replace(offer=offer, imports_only=False)


def _standing(given: Given) -> tuple[Item, Offer]:
    item, digest = item_of(given), given.body["offer"]
    if item.offer is None or item.offer.digest != digest:
        raise NoSuchOffer("no such offer stands", item=given.body["item"], offer=digest)
    return item, item.offer


def _accept(given: Given) -> list[Fact]:
    (item, offer), signer = _standing(given), given.command.signers[0].party
    _check_recipient(offer, signer)
    if item.frozen:
        raise ItemFrozen("the item is frozen", item=given.body["item"])
    if given.at > offer.until:
        raise OfferEnded("the offer has ended", until=format_time(offer.until))
    return [_moved(given, item.owner, signer)]


def _check_recipient(offer: Offer, signer: str) -> None:
    if offer.to != signer:
        raise NotRecipient("the offer was made to another party", party=signer, to=offer.to)


def _end_offer(given: Given) -> list[Fact]:
    (item, offer), signer = _standing(given), given.command.signers[0]
    if signer.role == "owner" and signer.party != item.owner:
        raise NotOwner(
            f"{signer.party} does not own the item", party=signer.party, owner=item.owner
        )
    if signer.role == "recipient":
        _check_recipient(offer, signer.party)
    return [Fact(item_stream(given.body["item"]), "offer-ended/1", {})]


def _offer_ended(state: State | None, _entry: Entry) -> State:
    return as_item(state)._replace(offer=None)


def _freeze(given: Given) -> list[Fact]:
    if item_of(given).frozen:
        raise ItemFrozen("the item is frozen already", item=given.body["item"])
    return [Fact(item_stream(given.body["item"]), "item-frozen/1", {})]


def _frozen(state: State | None, _entry: Entry) -> State:
    return as_item(state)._replace(frozen=True, offer=None)


def _unfreeze(given: Given) -> list[Fact]:
    if not item_of(given).frozen:
        raise ItemNotFrozen("the item is not frozen", item=given.body["item"])
    return [Fact(item_stream(given.body["item"]), "item-unfrozen/1", {})]


def _unfrozen(state: State | None, _entry: Entry) -> State:
    return as_item(state)._replace(frozen=False)


def stream_of_item(command: Command) -> tuple[str, ...]:
    """Name the stream that an owner's action must expect."""
    return (item_stream(command.body["item"]),)


_PRICE: schema.Schema = {"price": schema.nullable(schema.money)}
_ITEM: schema.Schema = {"item": schema.item}
_OFFER: schema.Schema = _ITEM | {"offer": schema.hex32}


def _owner_kind(name: str, roles: tuple[str, ...], body: schema.Schema, derive: Any) -> Kind:
    return Kind(name, (roles,), body, derive, expects=stream_of_item, risky=True)


def _freezer_kind(name: str, grounds: frozenset[str], derive: Any) -> Kind:
    body = _ITEM | {"ground": schema.one_of(grounds)}
    return Kind(name, (("freezer",),), body, derive, sealed=("reason",))


KINDS = (
    Kind(
        "register-item/1",
        (("owner",),),
        _ITEM | {"class": schema.one_of(ITEM_CLASSES)},
        _register,
        sealed=("name",),
    ),
    _owner_kind("transfer-item/1", ("owner", "recipient"), _ITEM | _PRICE, _transfer),
    _owner_kind(
        "offer-transfer/1",
        ("owner",),
        _ITEM | _PRICE | {"to": schema.party, "until": schema.time},
        _offer,
    ),
    _owner_kind("accept-transfer/1", ("recipient",), _OFFER, _accept),
    Kind("withdraw-offer/1", (("owner",),), _OFFER, _end_offer, expects=stream_of_item),
    Kind("refuse-offer/1", (("recipient",),), _OFFER, _end_offer, expects=stream_of_item),
    _freezer_kind("freeze-item/1", FREEZE_GROUNDS, _freeze),
    _freezer_kind("unfreeze-item/1", UNFREEZE_GROUNDS, _unfreeze),
)
_FROM_TO: schema.Schema = {"from": schema.party, "to": schema.party}
EVENTS = (
    EventType("item-registered/1", {"owner": schema.party}, _registered, "an item was registered"),
    EventType("item-transferred/1", _FROM_TO, _transferred, "the item got another owner"),
    EventType(
        "transfer-offered/1", {"from": schema.party}, _offered, "the owner offered a transfer"
    ),
    EventType("offer-ended/1", {}, _offer_ended, "the offer was withdrawn or refused"),
    EventType("item-frozen/1", {}, _frozen, "the item was frozen"),
    EventType("item-unfrozen/1", {}, _unfrozen, "the item was unfrozen"),
)
