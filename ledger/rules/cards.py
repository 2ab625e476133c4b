"""Cards and escrow: what an item is as goods, and who may sell it for its owner.

A card is registered by commitments alone; what they commit to is sealed. An owner places an item
with an agent in one signature, under a trade policy that the log knows, and may take it back as
long as no order is made for it. Specification: docs/spec.md section 9.11.
"""

from __future__ import annotations

from typing import Any

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.errors import ItemExists, Malformed, NotOwner, PolicyNotInForce
from ledger.rules.items import (
    as_item,
    check_namespace_owner,
    check_not_reserved,
    item_of,
    item_stream,
    owned,
    stream_of_item,
)
from ledger.rules.model import TERMS_STREAM, EventType, Fact, Given, Kind
from ledger.rules.parties import party_of
from ledger.rules.state import Item, State
from ledger.rules.terms import class_terms, terms_in_force, terms_of
from ledger.rules.text import party_stream
from ledger.rules.trade_errors import CardSold, ClassWithoutTerms, GoodsDiffer, ItemNotEscrowed
from ledger.rules.trade_state import Escrow, Goods


def _register(given: Given) -> list[Fact]:
    body, owner = given.body, given.command.signers[0].party
    check_namespace_owner(given, party=owner)
    stream = item_stream(body["item"])
    if given.view.stream(stream) is not None:
        raise ItemExists(f"item {body['item']} is registered", item=body["item"])
    if (body["agent"] is None) != (body["terms"] is None):
        raise Malformed("command.body.terms", "is null exactly where agent is")
    if body["agent"] is not None:
        _check_placing(given, sells="card")
    return [Fact(stream, "card-registered/1", {"owner": owner})]


def _check_placing(given: Given, *, sells: str) -> None:
    """Accept an agent that exists, under terms that sell the class as what it is.

    Raises:
        UnknownParty: Nobody registered the agent.
        PolicyNotInForce: The log has kept no trade policy of this digest.
        ClassWithoutTerms: It says nothing of the class.
        GoodsDiffer: It sells the class as cards and this is none, or the other way round.

    """
    body = given.body
    party_of(given, body["agent"])
    terms = terms_of(given, body["terms"])
    if terms is None:
        known = terms_in_force(given)
        raise PolicyNotInForce(
            "the log has kept no such trade policy",
            named=body["terms"],
            in_force=None if known is None else known.digest,
        )
    found = class_terms(terms, body["class"])
    if found is None:
        raise ClassWithoutTerms(
            "the trade policy says nothing of this class", item_class=body["class"]
        )
    if found["sells"] != sells:
        raise GoodsDiffer(
            f"the trade policy sells {body['class']} as {found['sells']}",
            item=body["item"],
            item_class=body["class"],
            product=body["product"],
        )


def _registered(_state: State | None, entry: Entry) -> State:
    body = _body(entry)
    goods = Goods(body["class"], body["product"], body["card"], body["code"], _escrow(body))
    return Item(entry.data["owner"], goods=goods)


def _body(entry: Entry) -> dict[str, Any]:
    assert entry.command is not None  # noqa: S101 - derive makes these types with a command only
    return entry.command.body


def _escrow(body: dict[str, Any]) -> Escrow | None:
    return None if body["agent"] is None else Escrow(body["agent"], body["terms"])


def _place(given: Given) -> list[Fact]:
    item, body = owned(given), given.body
    goods = item.goods
    if goods is not None and (goods.item_class, goods.product) != (body["class"], body["product"]):
        raise GoodsDiffer(
            "the item is of another class or product",
            item=body["item"],
            item_class=goods.item_class,
            product=goods.product,
        )
    is_card = goods is not None and goods.card is not None
    if is_card and goods is not None and goods.sold is not None:
        # Its first buyer may know the key: it may be given away, and is not sold as new again.
        raise CardSold("the card was sold once", item=body["item"], order=goods.sold)
    _check_placing(given, sells="card" if is_card else "item")
    return [Fact(item_stream(body["item"]), "item-escrowed/1", {})]


def _placed(state: State | None, entry: Entry) -> State:
    item, body = as_item(state), _body(entry)
    goods = item.goods or Goods(body["class"], body["product"], None, None)
    return item._replace(offer=None, imports_only=False, goods=goods._replace(escrow=_escrow(body)))


def _withdraw(given: Given) -> list[Fact]:
    item, signer, name = item_of(given), given.command.signers[0].party, given.body["item"]
    if item.owner != signer:
        raise NotOwner(f"{signer} does not own the item", party=signer, owner=item.owner)
    if item.goods is None or item.goods.escrow is None:
        raise ItemNotEscrowed("the item is with no agent", item=name)
    check_not_reserved(name, item.goods)
    return [Fact(item_stream(name), "item-withdrawn/1", {})]


def _withdrawn(state: State | None, _entry: Entry) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    return item._replace(goods=item.goods._replace(escrow=None))


def _agent_and_terms(command: Command) -> tuple[str, ...]:
    agent = command.body["agent"]
    return () if agent is None else (party_stream(agent), TERMS_STREAM)


KINDS = (
    Kind(
        "register-card/1",
        (("owner",),),
        {
            "agent": schema.nullable(schema.identifier),
            "card": schema.hex32,
            "class": schema.name,
            "code": schema.hex32,
            "item": schema.item,
            "product": schema.namespace,
            "terms": schema.nullable(schema.hex32),
        },
        _register,
        sealed=("card", "code"),
        reads=_agent_and_terms,
        exact=True,
    ),
    Kind(
        "place-in-escrow/1",
        (("owner",),),
        {
            "agent": schema.identifier,
            "class": schema.name,
            "item": schema.item,
            "product": schema.namespace,
            "terms": schema.hex32,
        },
        _place,
        expects=stream_of_item,
        reads=_agent_and_terms,
        risky=True,
        exact=True,
    ),
    Kind(
        "withdraw-from-escrow/1",
        (("owner",),),
        {"item": schema.item},
        _withdraw,
        expects=stream_of_item,
        exact=True,
    ),
)
EVENTS = (
    EventType("card-registered/1", {"owner": schema.party}, _registered, "a card was registered"),
    EventType("item-escrowed/1", {}, _placed, "the owner placed the item with an agent"),
    EventType("item-withdrawn/1", {}, _withdrawn, "the owner took the item back"),
)
