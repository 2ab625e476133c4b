"""Escrow: a line's price is held from its payment until it is released, refunded or split.

It is released to the merchant, less the fee, once the buyer accepts what was delivered or the time
to inspect it is over; it goes back to the buyer where nothing was delivered in time. What a claim
freezes stays until the claim is closed. Specification: docs/spec.md section 9.13.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from ledger.rules import schema
from ledger.rules.delivery import check_held, lines_named
from ledger.rules.entries import Entry
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import POSTINGS, balance_changes, balance_stream
from ledger.rules.order_state import HELD, Line, Order
from ledger.rules.orders import (
    LINES_MAX,
    as_order,
    freed,
    order_of,
    order_stream,
    own_order,
)
from ledger.rules.payments import check_buyer, escrow_account
from ledger.rules.state import State
from ledger.rules.timers import ORDER_INSPECTED, ORDER_UNDELIVERED, check_timer, order_timers
from ledger.rules.trade_errors import ClaimOpen, LineNotDelivered


class Part(NamedTuple):
    """What leaves the escrow of a line: to its merchant with the fee, and to the buyer."""

    number: int
    released: int = 0
    refunded: int = 0


def check_unclaimed(number: int, line: Line) -> None:
    """Accept a line that no open claim freezes. Raises `ClaimOpen`."""
    if line.claims:
        raise ClaimOpen("a claim is open on this line", line=number, claim=line.claims[0])


def check_delivered(number: int, line: Line) -> None:
    """Accept a line that was delivered. Raises `LineNotDelivered`."""
    if not line.delivered:
        raise LineNotDelivered("the line was not delivered", line=number)


def postings_of(name: str, order: Order, parts: list[Part]) -> list[dict[str, str]]:
    """Write the postings that move parts of the escrow of an order's lines, by account."""
    changes: defaultdict[str, int] = defaultdict(int)
    for part in parts:
        line = order.lines[part.number - 1]
        fee = line.fee_on(line.released + part.released) - line.fee_on(line.released)
        changes[escrow_account(name, part.number)] -= part.released + part.refunded
        changes[balance_stream(line.merchant)] += part.released - fee
        changes[balance_stream(order.buyer)] += part.refunded
        changes["fees"] += fee
    return written_postings(order, changes)


def written_postings(order: Order, changes: Mapping[str, int]) -> list[dict[str, str]]:
    """Write changes of accounts as postings in an order's currency, none of nothing."""
    return [
        {"account": account, "amount": str(changes[account]), "currency": order.currency}
        for account in sorted(changes)
        if changes[account]
    ]


def _accept(given: Given) -> list[Fact]:
    order, numbers = order_of(given), given.body["lines"]
    check_buyer(order, given.command.signers[0].party)
    for number, line in zip(numbers, lines_named(order, numbers, "lines"), strict=True):
        check_held(number, line)
        check_delivered(number, line)
        check_unclaimed(number, line)
    return _released_facts(given, order, numbers)


def _release(given: Given) -> list[Fact]:
    order = order_of(given)
    due = _due(given, order, ORDER_INSPECTED)
    numbers = [number for number, line in _waiting(order) if line.inspect_by == due]
    return _released_facts(given, order, numbers)


def _due(given: Given, order: Order, rule: str) -> int:
    return check_timer(given, order_stream(given.body["order"]), rule, order_timers(order))


def _waiting(order: Order) -> list[tuple[int, Line]]:
    """Return the lines that wait for a time, by number: held, and frozen by no claim."""
    numbered = enumerate(order.lines, 1)
    return [(number, line) for number, line in numbered if line.state == HELD and not line.claims]


def _released_facts(given: Given, order: Order, numbers: list[int]) -> list[Fact]:
    name = given.body["order"]
    parts = [Part(number, released=order.lines[number - 1].held) for number in numbers]
    postings = postings_of(name, order, parts)
    data = {"lines": numbers, "postings": postings}
    own = Fact(order_stream(name), "escrow-released/1", data)
    return [own, *balance_changes(given, postings)]


def _released(state: State | None, entry: Entry) -> State:
    order = as_order(state)
    lines = list(order.lines)
    for number in entry.data["lines"]:
        lines[number - 1] = lines[number - 1].settled(released=lines[number - 1].held)
    return order._replace(lines=tuple(lines))


def _refund(given: Given) -> list[Fact]:
    order, name = order_of(given), given.body["order"]
    due = _due(given, order, ORDER_UNDELIVERED)
    numbers = [
        number for number, line in _waiting(order) if line.deliver_by == due and not line.delivered
    ]
    lines = tuple(order.lines[number - 1] for number in numbers)
    parts = [Part(number, refunded=line.held) for number, line in zip(numbers, lines, strict=True)]
    postings = postings_of(name, order, parts)
    own = Fact(order_stream(name), "escrow-refunded/1", refund_data(parts, postings))
    return [own, *freed(lines), *balance_changes(given, postings)]


def refund_data(parts: list[Part], postings: list[dict[str, str]]) -> dict[str, Any]:
    """Write the data of an `escrow-refunded/1`."""
    lines = [{"amount": str(part.refunded), "line": part.number} for part in parts]
    return {"lines": lines, "postings": postings}


def _refunded(state: State | None, entry: Entry) -> State:
    order = as_order(state)
    lines = list(order.lines)
    for each in entry.data["lines"]:
        place = each["line"] - 1
        lines[place] = lines[place].paid_back(int(each["amount"]))
    return order._replace(lines=tuple(lines))


line_number = schema.whole(1, LINES_MAX)
_TIMER: schema.Schema = {"due": schema.time, "order": schema.uuid7}
_REFUND: schema.Schema = {"amount": schema.amount, "line": line_number}

KINDS = (
    Kind(
        "accept-lines/1",
        (("buyer",),),
        {
            "lines": schema.items(line_number, least=1, most=LINES_MAX),
            "order": schema.uuid7,
        },
        _accept,
        expects=own_order,
        exact=True,
    ),
    Kind("release-lines/1", (("system",),), _TIMER, _release, reads=own_order, exact=True),
    Kind("refund-lines/1", (("system",),), _TIMER, _refund, reads=own_order, exact=True),
)
EVENTS = (
    EventType(
        "escrow-released/1",
        {
            "lines": schema.items(line_number, least=1, most=LINES_MAX),
            "postings": POSTINGS,
        },
        _released,
        "the price of lines went to their merchants",
    ),
    EventType(
        "escrow-refunded/1",
        {
            "lines": schema.items(schema.nested(_REFUND), least=1, most=LINES_MAX),
            "postings": POSTINGS,
        },
        _refunded,
        "the buyer got money of lines back",
    ),
)
