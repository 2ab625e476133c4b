"""Payments of orders: by the buyer's balance, or as a cashier saw them come in.

One function says what becomes of a payment that came in, whatever its amount and whenever: it
funds every line of the order, or it lies on the buyer's balance. Nothing of it is ever kept, and
nothing funds an order twice. Specification: docs/spec.md section 9.12.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.balances import amount_of, check_other
from ledger.rules.entries import Entry
from ledger.rules.errors import UnknownCurrency
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import POSTINGS, balance_changes, balance_stream
from ledger.rules.order_state import HELD, PAID, UNPAID, Order
from ledger.rules.orders import (
    LINES_MAX,
    as_order,
    later,
    order_and_terms,
    order_of,
    order_stream,
    own_order,
)
from ledger.rules.state import State
from ledger.rules.terms import class_terms, terms_of
from ledger.rules.text import PROVIDERS, format_time, time_us
from ledger.rules.trade_errors import AmountDiffers, CurrencyMixed, NotBuyer, OrderNotOpen

FUNDED, LATE, SHORT, SURPLUS = "funded", "late", "short", "surplus"
OUTCOMES: Final = (FUNDED, LATE, SHORT, SURPLUS)


def outcome_of(order: Order, at: int, currency: str, amount: int) -> str:
    """Say what becomes of a payment that came in; every payment has exactly one outcome.

    funded   it pays the whole order in time; what is more than that goes to the buyer's balance
    surplus  the order is paid already
    late     the order's time to pay is over
    short    it is less than what is owed, or in another currency
    """
    if order.state == UNPAID and at <= order.pay_by:
        enough = currency == order.currency and amount >= order.total
        return FUNDED if enough else SHORT
    return SURPLUS if order.state == PAID else LATE


def _pay(given: Given) -> list[Fact]:
    order, signer = order_of(given), given.command.signers[0].party
    check_buyer(order, signer)
    currency, amount = amount_of(given)
    if order.state != UNPAID or given.at > order.pay_by:
        raise OrderNotOpen(
            "the order can no longer be paid",
            order=given.body["order"],
            state=order.state,
            pay_by=format_time(order.pay_by),
        )
    if currency != order.currency:
        raise CurrencyMixed(
            "the order is in another currency", currency=order.currency, found=currency
        )
    if amount != order.total:
        raise AmountDiffers(
            "the amount is not the order's total", total=str(order.total), amount=str(amount)
        )
    return _facts(given, order, balance_stream(order.buyer), FUNDED)


def check_buyer(order: Order, signer: str) -> None:
    """Accept the order's buyer. Raises `NotBuyer`."""
    if signer != order.buyer:
        raise NotBuyer("the order is another party's", buyer=order.buyer, signer=signer)


def _confirm(given: Given) -> list[Fact]:
    order = order_of(given)
    check_other(given.command.signers[0].party, order.buyer)
    currency, amount = amount_of(given)
    if not given.policy.knows(currency):
        raise UnknownCurrency("the policy has no such currency", currency=currency)
    outcome = outcome_of(order, given.at, currency, amount)
    return _facts(given, order, f"external/{given.body['provider']}", outcome)


def _facts(given: Given, order: Order, source: str, outcome: str) -> list[Fact]:
    currency, amount = amount_of(given)
    rest = amount - order.total if outcome == FUNDED else amount
    changes = {source: -amount}
    if outcome == FUNDED:
        for number, line in enumerate(order.lines, 1):
            changes[escrow_account(given.body["order"], number)] = line.price
    if rest:
        changes[balance_stream(order.buyer)] = rest
    postings = [
        {"account": account, "amount": str(changes[account]), "currency": currency}
        for account in sorted(changes)
    ]
    data = {"deliver_by": _deliver_by(given, order, outcome), "outcome": outcome}
    own = Fact(
        order_stream(given.body["order"]), "payment-confirmed/1", data | {"postings": postings}
    )
    return [own, *balance_changes(given, postings)]


def escrow_account(order: str, number: int) -> str:
    """Name the account that holds the price of a line."""
    return f"escrow/{order}/{number}"


def _deliver_by(given: Given, order: Order, outcome: str) -> list[str] | None:
    if outcome != FUNDED:
        return None
    return [
        later(given.at, periods_of(given, order, line.item_class)["deliver_s"])
        for line in order.lines
    ]


def periods_of(given: Given, order: Order, item_class: str) -> dict[str, Any]:
    """Return what the order's own trade policy says of a class, whatever is in force now."""
    terms = terms_of(given, order.terms)
    # Kept for longer than an order takes to be paid, delivered and inspected: terms.OLD_KEPT.
    assert terms is not None  # noqa: S101 - see there
    periods = class_terms(terms, item_class)
    assert periods is not None  # noqa: S101 - looked at when the order was placed
    return periods


def _confirmed(state: State | None, entry: Entry) -> State:
    order, deliver_by = as_order(state), entry.data["deliver_by"]
    if deliver_by is None:
        return order
    lines = [
        line._replace(state=HELD, deliver_by=time_us(due, field="data.deliver_by"))
        for line, due in zip(order.lines, deliver_by, strict=True)
    ]
    return order._replace(state=PAID, lines=tuple(lines))


_BODY: schema.Schema = {"amount": schema.money, "order": schema.uuid7}

KINDS = (
    Kind(
        "pay-order/1",
        (("buyer",),),
        _BODY,
        _pay,
        expects=own_order,
        reads=order_and_terms,
        exact=True,
        risky=True,
    ),
    Kind(
        "confirm-payment/1",
        (("cashier",),),
        _BODY | {"provider": schema.one_of(PROVIDERS)},
        _confirm,
        sealed=("transaction",),
        reads=order_and_terms,
        exact=True,
        risky=True,
    ),
)
EVENTS = (
    EventType(
        "payment-confirmed/1",
        {
            "deliver_by": schema.nullable(schema.items(schema.time, least=1, most=LINES_MAX)),
            "outcome": schema.one_of(OUTCOMES),
            "postings": POSTINGS,
        },
        _confirmed,
        "a payment came in for an order",
    ),
)
