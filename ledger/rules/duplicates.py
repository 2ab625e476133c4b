"""Duplicates: two registered items turn out to hold one card key, and both say so from then on.

The ledger's own `system` reports a pair that the registry of card keys found, once: the id of its
command follows from the two items. Nobody sells either item any more, and each order that sold one
has the line flagged. Specification: docs/spec.md section 9.19.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.digests import timer_id
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed, UnknownItem
from ledger.rules.escrow import line_number
from ledger.rules.items import as_item, item_stream
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.orders import LINES_MAX, as_order, order_stream
from ledger.rules.state import State
from ledger.rules.trade_errors import AlertExists, GoodsDiffer, ItemNotSold
from ledger.rules.trade_state import Alert, Goods

RULE: Final = "card-duplicate"
_PAIR: Final = 2


def alert_stream(alert: str) -> str:
    """Name the stream of an alert."""
    return f"alert/{alert}"


def report_id(first: str, second: str) -> str:
    """Return the id of the one command that reports these two items, given in their order."""
    return timer_id(item_stream(first), RULE, item_stream(second))


def _report(given: Given) -> list[Fact]:
    body, cards = given.body, given.body["cards"]
    first, second = [card["item"] for card in cards]
    if first >= second:
        raise Malformed("command.body.cards", "is not sorted by item, each once")
    if given.view.stream(alert_stream(body["alert"])) is not None:
        raise AlertExists("an alert of this number was raised", alert=body["alert"])
    if given.command.id != report_id(first, second):
        raise Malformed("command.id", "is not the id of the report of these items")
    goods = [_card(given, card) for card in cards]
    if goods[0].product != goods[1].product:
        raise GoodsDiffer("the cards are of two products", item=second, product=goods[1].product)
    alert = {"alert": body["alert"]}
    return [
        Fact(alert_stream(body["alert"]), "duplicate-reported/1", {}),
        *[Fact(item_stream(card["item"]), "item-flagged/1", alert) for card in cards],
        *_orders_flagged(given, alert),
    ]


def _card(given: Given, card: dict[str, Any]) -> Goods:
    """Read a card, and hold the order that the body names against the one that sold it."""
    found = given.view.stream(item_stream(card["item"]))
    if found is None:
        raise UnknownItem(f"item {card['item']} is not registered", item=card["item"])
    goods = as_item(found.state).goods
    if goods is None or goods.card is None:
        raise GoodsDiffer("the item is no card", item=card["item"], product=None)
    if goods.sold != card["order"]:
        raise ItemNotSold("another order sold the item", item=card["item"], sold=goods.sold)
    return goods


def _orders_flagged(given: Given, alert: dict[str, str]) -> list[Fact]:
    """Flag the lines that sold the cards, order by order."""
    lines: dict[str, list[int]] = {}
    for card in given.body["cards"]:
        if card["order"] is not None:
            number = _number(given, card["order"], card["item"])
            lines.setdefault(card["order"], []).append(number)
    return [
        Fact(order_stream(name), "order-flagged/1", {**alert, "lines": sorted(numbers)})
        for name, numbers in lines.items()
    ]


def _number(given: Given, name: str, item: str) -> int:
    found = given.view.stream(order_stream(name))
    order = as_order(found.state if found else None)
    return next(number for number, line in enumerate(order.lines, start=1) if line.item == item)


def _reported(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    return Alert(tuple((card["item"], card["order"]) for card in entry.command.body["cards"]))


def _item_flagged(state: State | None, entry: Entry) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    return item._replace(offer=None, goods=item.goods._replace(flagged=entry.data["alert"]))


def _order_flagged(state: State | None, entry: Entry) -> State:
    order = as_order(state)
    lines = list(order.lines)
    for number in entry.data["lines"]:
        lines[number - 1] = lines[number - 1]._replace(flagged=entry.data["alert"])
    return order._replace(lines=tuple(lines))


def _items_and_orders(command: Command) -> tuple[str, ...]:
    cards = command.body["cards"]
    orders = [order_stream(card["order"]) for card in cards if card["order"] is not None]
    return tuple(dict.fromkeys([*(item_stream(card["item"]) for card in cards), *orders]))


_CARD: schema.Schema = {"item": schema.item, "order": schema.nullable(schema.uuid7)}

KINDS = (
    Kind(
        "report-duplicate/1",
        (("system",),),
        {
            "alert": schema.uuid7,
            "cards": schema.items(schema.nested(_CARD), least=_PAIR, most=_PAIR),
        },
        _report,
        reads=_items_and_orders,
        exact=True,
    ),
)
EVENTS = (
    EventType("duplicate-reported/1", {}, _reported, "two items turned out to hold one card key"),
    EventType(
        "item-flagged/1",
        {"alert": schema.uuid7},
        _item_flagged,
        "the item's card key turned out to be another item's too",
    ),
    EventType(
        "order-flagged/1",
        {
            "alert": schema.uuid7,
            "lines": schema.items(line_number, least=1, most=LINES_MAX),
        },
        _order_flagged,
        "lines of the order sold a card key that another item holds too",
    ),
)
