"""Refunds that a merchant gives of its own accord: out of escrow, or of what was released to it.

What is refunded in all is never more than the price. The merchant gets back the fee of what it
refunds, reckoned by all that stays with it, so that the last refund takes what single roundings
left. Specification: docs/spec.md section 9.13.
"""

from __future__ import annotations

from collections import Counter

from ledger.rules import schema
from ledger.rules.balances import amount_of
from ledger.rules.delivery import line_of
from ledger.rules.errors import WrongSigners
from ledger.rules.escrow import (
    Part,
    check_unclaimed,
    line_number,
    postings_of,
    refund_data,
    written_postings,
)
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import balance_changes, balance_stream
from ledger.rules.order_state import HELD, UNFUNDED, Line, Order
from ledger.rules.orders import freed, order_of, order_stream, own_order
from ledger.rules.trade_errors import CurrencyMixed, LineNotHeld, RefundTooLarge


def _give(given: Given) -> list[Fact]:
    order, number, name = order_of(given), given.body["line"], given.body["order"]
    line = line_of(order, number)
    check_merchant(given, line)
    amount = _amount(given, order)
    if line.state == UNFUNDED:
        raise LineNotHeld("the line was not paid", line=number, state=line.state)
    check_unclaimed(number, line)
    left = line.held if line.state == HELD else line.released
    if amount > left:
        raise RefundTooLarge(
            "the merchant has not as much of this line", line=number, left=str(left)
        )
    part = Part(number, refunded=amount)
    held = line.state == HELD
    postings = postings_of(name, order, [part]) if held else _returned(order, line, amount)
    own = Fact(order_stream(name), "escrow-refunded/1", refund_data([part], postings))
    ended = held and amount == left and not line.delivered
    return [own, *freed((line,) if ended else ()), *balance_changes(given, postings)]


def check_merchant(given: Given, line: Line) -> None:
    """Accept the merchant of a line as first signer. Raises `WrongSigners`."""
    signer = given.command.signers[0].party
    if signer != line.merchant:
        raise WrongSigners("another party signs", party=line.merchant, signer=signer)


def _amount(given: Given, order: Order) -> int:
    currency, amount = amount_of(given)
    if currency != order.currency:
        raise CurrencyMixed(
            "the order is in another currency", currency=order.currency, found=currency
        )
    return amount


def _returned(order: Order, line: Line, amount: int) -> list[dict[str, str]]:
    """Write the postings of a refund of what was released: the platform returns its fee of it."""
    fee = line.fee_on(line.released) - line.fee_on(line.released - amount)
    changes = Counter(
        {
            balance_stream(order.buyer): amount,
            balance_stream(line.merchant): fee - amount,
            "fees": -fee,
        }
    )
    return written_postings(order, changes)


KINDS = (
    Kind(
        "give-refund/1",
        (("merchant",),),
        {"amount": schema.money, "line": line_number, "order": schema.uuid7},
        _give,
        expects=own_order,
        risky=True,
        exact=True,
    ),
)
EVENTS: tuple[EventType, ...] = ()
