"""Activation: what came of using a sold item at its platform, as its buyer or the ledger says.

A late activation is a fact that whoever decides a claim may weigh; it is refused as little as a
failed one. Specification: docs/spec.md section 9.16.
"""

from __future__ import annotations

from typing import Final

from ledger.rules import schema
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed, TooLarge
from ledger.rules.items import as_item, item_of, item_stream, stream_of_item
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.order_state import Order
from ledger.rules.orders import order_and_terms, order_of
from ledger.rules.payments import check_buyer
from ledger.rules.state import State
from ledger.rules.terms import class_terms, terms_of
from ledger.rules.text import time_us
from ledger.rules.trade_errors import ActivatedAlready, ItemNotSold
from ledger.rules.trade_state import Goods

SUCCESS: Final = "success"
OUTCOMES: Final = ("failure", SUCCESS)
# Enough for every try of an honest buyer, and few for whoever would fill the log.
FAILURES_MAX: Final = 32
_SECOND_US: Final = 1_000_000


def _record(given: Given) -> list[Fact]:
    body, goods = given.body, item_of(given).goods
    sold = None if goods is None else goods.sold
    if goods is None or sold != body["order"]:
        raise ItemNotSold("this order did not sell the item", item=body["item"], sold=sold)
    order, signer = order_of(given), given.command.signers[0]
    if signer.role == "buyer":
        check_buyer(order, signer.party)
    if time_us(body["time"], field="command.body.time") > given.command.at:
        raise Malformed("command.body.time", "is after the time of the command")
    if body["outcome"] == SUCCESS and goods.activated is not None:
        raise ActivatedAlready("the item was activated", item=body["item"], order=goods.activated)
    if body["outcome"] != SUCCESS and goods.failed == FAILURES_MAX:
        raise TooLarge("it failed too often", failures=goods.failed, most=FAILURES_MAX)
    late = _is_late(given, order, goods)
    return [Fact(item_stream(body["item"]), "activation-recorded/1", {"late": late})]


def _is_late(given: Given, order: Order, goods: Goods) -> bool:
    """Say whether the order's own trade policy asked for it sooner after the delivery."""
    assert goods.sold_at is not None  # noqa: S101 - it was sold
    terms = terms_of(given, order.terms)
    if terms is None:
        # Kept for longer than it takes to pay, deliver and activate: terms.OLD_KEPT.
        return True
    periods = class_terms(terms, goods.item_class)
    assert periods is not None  # noqa: S101 - looked at when the order was placed
    return bool(given.at > goods.sold_at + periods["activation_s"] * _SECOND_US)


def _recorded(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    item, body = as_item(state), entry.command.body
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    if body["outcome"] == SUCCESS:
        goods = item.goods._replace(activated=body["order"])
    else:
        goods = item.goods._replace(failed=item.goods.failed + 1)
    return item._replace(offer=None, goods=goods)


KINDS = (
    Kind(
        "record-activation/1",
        (("buyer",), ("system",)),
        {
            "item": schema.item,
            "order": schema.uuid7,
            "outcome": schema.one_of(OUTCOMES),
            "platform": schema.name,
            "time": schema.time,
        },
        _record,
        sealed=("account", "error", "evidence"),
        expects=stream_of_item,
        reads=order_and_terms,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "activation-recorded/1",
        {"late": schema.flag},
        _recorded,
        "what came of using the item was recorded",
    ),
)
