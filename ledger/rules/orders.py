"""Orders: what a buyer orders at which snapshots, and how long the items are kept for it.

The items are the stock: an order names the very items, which stay reserved for it until it is
paid or its time to pay is over. Each line pins a listing's snapshot, and the order the trade policy
that decides about it. Specification: docs/spec.md section 9.12.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.curve import check_x25519
from ledger.rules.entries import Entry
from ledger.rules.errors import PolicyNotInForce, TooLarge, UnknownCurrency, WrongSigners
from ledger.rules.items import as_item, item_stream
from ledger.rules.levels import recorded_level
from ledger.rules.listings import listing_stream
from ledger.rules.merchants import merchant_stream
from ledger.rules.model import TERMS_STREAM, EventType, Fact, Given, Kind
from ledger.rules.money import AMOUNT_LIMIT
from ledger.rules.order_lines import Asked, asked_lines
from ledger.rules.order_state import EXPIRED, Line, Order
from ledger.rules.parties import party_of
from ledger.rules.state import Published, State
from ledger.rules.terms import terms_in_force
from ledger.rules.text import b64decode, format_time, is_imported, time_us
from ledger.rules.timers import ORDER_UNPAID, check_timer, order_timers
from ledger.rules.trade_errors import AgreementDiffers, OrderExists, UnknownOrder

LINES_MAX: Final = 20
_BP: Final = 10_000
_SECOND_US: Final = 1_000_000


def order_stream(order: str) -> str:
    """Name the stream of an order."""
    return f"order/{order}"


def order_of(given: Given) -> Order:
    """Read the body's order, which must have been placed. Raises `UnknownOrder`."""
    name = given.body["order"]
    found = given.view.stream(order_stream(name))
    if found is None:
        raise UnknownOrder(f"no such order: {name}", order=name)
    return as_order(found.state)


def as_order(state: State | None) -> Order:
    """Take a state for what the stream's name says it is."""
    assert isinstance(state, Order)  # noqa: S101 - the stream's name says what it holds
    return state


def _place(given: Given) -> list[Fact]:
    body, buyer = given.body, given.command.signers[0].party
    if is_imported(buyer):
        raise WrongSigners("an imported party has no balance", signer=buyer)
    if given.view.stream(order_stream(body["order"])) is not None:
        raise OrderExists("an order of this number was placed", order=body["order"])
    terms = _pinned(given)
    if body["key"] is not None:
        check_x25519(b64decode(body["key"], field="command.body.key"))
    if not given.policy.knows(body["currency"]):
        raise UnknownCurrency("the policy has no such currency", currency=body["currency"])
    asked = asked_lines(given, terms)
    total = sum(int(each.line["price"]) for each in asked)
    if total >= AMOUNT_LIMIT:
        raise TooLarge("the order's total is too large", digits=len(str(total)), most=38)
    own = Fact(order_stream(body["order"]), "order-placed/1", _data(given, terms, asked))
    reserved = {"order": body["order"]}
    effects = [Fact(item_stream(each.line["item"]), "item-reserved/1", reserved) for each in asked]
    return [own, *effects]


def _pinned(given: Given) -> Published:
    """Return the trade policy that the order pins: the one in force, agreed to."""
    terms, named = terms_in_force(given), given.body["terms"]
    if terms is None or terms.digest != named:
        in_force = None if terms is None else terms.digest
        raise PolicyNotInForce("another trade policy is in force", named=named, in_force=in_force)
    agreement = terms.document["agreement"]
    if given.body["agreement"] != agreement:
        raise AgreementDiffers(
            "the buyer agrees to another text", named=given.body["agreement"], agreement=agreement
        )
    return terms


def _data(given: Given, terms: Published, asked: list[Asked]) -> dict[str, Any]:
    fee_bp = terms.document["merchant"]["fee_bp"]
    # The shortest of its lines: an order holds nothing back longer than the class allows.
    unpaid_s = min(each.periods["unpaid_s"] for each in asked)
    return {
        "classes": [each.item_class for each in asked],
        "fees": [str(int(each.line["price"]) * fee_bp // _BP) for each in asked],
        "labels": [list(each.labels) for each in asked],
        "pay_by": later(given.at, unpaid_s),
        "tier": _tier(given, terms),
    }


def later(at: int, seconds: int) -> str:
    """Write the time that is so many seconds after another."""
    return format_time(at + seconds * _SECOND_US)


def _tier(given: Given, terms: Published) -> str:
    """Name the tier that the buyer is in, as it was recorded."""
    return recorded_level(terms.document, party_of(given, given.command.signers[0].party))


def _placed(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body, data = entry.command.body, entry.data
    given = zip(body["lines"], data["classes"], data["fees"], data["labels"], strict=True)
    lines = [_line(line, name, int(fee), labels) for line, name, fee, labels in given]
    return Order(
        entry.command.signers[0].party,
        body["key"],
        body["terms"],
        body["currency"],
        data["tier"],
        tuple(lines),
        time_us(data["pay_by"], field="data.pay_by"),
    )


def _line(line: dict[str, str], item_class: str, fee: int, labels: list[str]) -> Line:
    return Line(
        line["item"],
        line["listing"],
        line["merchant"],
        item_class,
        int(line["price"]),
        fee,
        line["snapshot"],
        labels=tuple(labels),
    )


def _reserved(state: State | None, entry: Entry) -> State:
    return _for_order(state, entry.data["order"])


def _freed(state: State | None, _entry: Entry) -> State:
    return _for_order(state, None)


def _for_order(state: State | None, order: str | None) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    return item._replace(offer=None, goods=item.goods._replace(order=order))


def _expire(given: Given) -> list[Fact]:
    order, stream = order_of(given), order_stream(given.body["order"])
    check_timer(given, stream, ORDER_UNPAID, order_timers(order))
    return [Fact(stream, "order-expired/1", {}), *freed(order.lines)]


def freed(lines: tuple[Line, ...]) -> list[Fact]:
    """Write that the items of these lines are for sale again."""
    return [Fact(item_stream(line.item), "item-freed/1", {}) for line in lines]


def _expired(state: State | None, _entry: Entry) -> State:
    return as_order(state)._replace(state=EXPIRED)


def _all_of_lines(command: Command) -> tuple[str, ...]:
    """Name what a buyer relies on: items, listings and merchants of all lines, each once."""
    named: dict[str, None] = {}
    for line in command.body["lines"]:
        named[item_stream(line["item"])] = None
        named[listing_stream(line["listing"])] = None
        named[merchant_stream(line["merchant"])] = None
    return tuple(named)


def order_and_terms(command: Command) -> tuple[str, ...]:
    """Name the order of the body and the stream of trade policies."""
    return (order_stream(command.body["order"]), TERMS_STREAM)


def own_order(command: Command) -> tuple[str, ...]:
    """Name the order of the body."""
    return (order_stream(command.body["order"]),)


_LINE: schema.Schema = {
    "item": schema.item,
    "listing": schema.item,
    "merchant": schema.identifier,
    "price": schema.amount,
    "snapshot": schema.hex32,
}


def _each_line(inner: schema.Check) -> schema.Check:
    return schema.items(inner, least=1, most=LINES_MAX)


KINDS = (
    Kind(
        "place-order/1",
        (("buyer",),),
        {
            "agreement": schema.nullable(schema.hex32),
            "currency": schema.currency,
            "key": schema.nullable(schema.base64),
            "lines": _each_line(schema.nested(_LINE)),
            "order": schema.uuid7,
            "terms": schema.hex32,
        },
        _place,
        expects=_all_of_lines,
        reads=order_and_terms,
        exact=True,
        risky=True,
    ),
    Kind(
        "expire-order/1",
        (("system",),),
        {"due": schema.time, "order": schema.uuid7},
        _expire,
        reads=own_order,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "order-placed/1",
        {
            "classes": _each_line(schema.name),
            "fees": _each_line(schema.amount),
            "labels": _each_line(schema.items(schema.name, most=32)),
            "pay_by": schema.time,
            "tier": schema.name,
        },
        _placed,
        "an order was placed",
    ),
    EventType(
        "item-reserved/1", {"order": schema.uuid7}, _reserved, "the item was reserved for an order"
    ),
    EventType("item-freed/1", {}, _freed, "the item is no order's any more"),
    EventType("order-expired/1", {}, _expired, "an order was not paid in time"),
)
