"""Chargebacks: a provider takes back what a buyer paid, and gives it again if the shop is right.

What is still in escrow is taken from there; what went to a merchant is owed by it, less the fee,
which the platform gives back. While a case is open its lines are frozen, and counted against the
deposits of their merchants. So a chargeback and a refund never both pay. What a merchant owes by
a case that is lost is taken by `ledger.rules.recourse`. Specification: docs/spec.md section 9.22.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ledger.rules import schema
from ledger.rules.chargeback_errors import (
    ChargebackEnded,
    ChargebackExists,
    ChargebackTooLarge,
    UnknownChargeback,
)
from ledger.rules.delivery import lines_named
from ledger.rules.deposits import SECOND_US, claim_counted
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed, TooLarge, WrongSigners
from ledger.rules.escrow import line_number, written_postings
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import POSTING, POSTINGS, POSTINGS_MAX, receivable_account
from ledger.rules.order_state import CHARGED_BACK, HELD, UNFUNDED, Back, Case, Line, Order
from ledger.rules.orders import (
    LINES_MAX,
    as_order,
    freed,
    order_and_terms,
    order_of,
    order_stream,
)
from ledger.rules.payments import escrow_account
from ledger.rules.state import State
from ledger.rules.terms import terms_of
from ledger.rules.text import PROVIDERS
from ledger.rules.trade_errors import LineNotHeld
from ledger.rules.trade_state import Owed

CASES_MAX: Final = 8
RECEIVED, WON, LOST = "received", "won", "lost"
STAGES: Final = (LOST, RECEIVED, WON)


def _record(given: Given) -> list[Fact]:
    order, body = order_of(given), given.body
    signer = given.command.signers[0].party
    if signer in {order.buyer, *(line.merchant for line in order.lines)}:
        raise WrongSigners("a party to the order records no chargeback of it", signer=signer)
    if (body["stage"] == RECEIVED) != bool(body["lines"]):
        raise Malformed("command.body.lines", "are there exactly where a chargeback is received")
    if body["stage"] == RECEIVED:
        return _received(given, order)
    return _ended(given, order, _open_case(given, order))


def _received(given: Given, order: Order) -> list[Fact]:
    body = given.body
    named = {case.number for case in order.cases}.union(*(line.claims for line in order.lines))
    # Nor does a case bear the number of a claim: a line is frozen by the numbers of both.
    if body["case"] in named:
        raise ChargebackExists("a chargeback of this number was recorded", case=body["case"])
    if len(order.cases) == CASES_MAX:
        cases = len(order.cases)
        raise TooLarge("the order was charged back too often", cases=cases, most=CASES_MAX)
    numbers = [each["line"] for each in body["lines"]]
    lines = lines_named(order, numbers, "lines")
    changes = Counter[str]()
    for part, line in zip(_parts(order, body["lines"]), lines, strict=True):
        _check_part(part, line)
        changes[f"external/{body['provider']}"] += part.amount
        _take(changes, body["order"], line, part, 1)
    data = {"postings": written_postings(order, changes)}
    own = Fact(order_stream(body["order"]), "chargeback-recorded/1", data)
    return [own, *_counted(given, lines, 1)]


def _counted(
    given: Given, lines: list[Line], change: int, debts: Mapping[str, Owed] | None = None
) -> list[Fact]:
    """Write what follows for the deposits of the lines' merchants, each once."""
    merchants, owed = sorted({line.merchant for line in lines}), debts or {}
    return [claim_counted(given, name, change, owed.get(name)) for name in merchants]


def _parts(order: Order, named: list[dict[str, Any]]) -> tuple[Back, ...]:
    """Say of each part whether it lies in escrow, or went to the merchant."""
    held = [order.lines[each["line"] - 1].state == HELD for each in named]
    return tuple(
        Back(each["line"], int(each["amount"]), in_escrow)
        for each, in_escrow in zip(named, held, strict=True)
    )


def _check_part(part: Back, line: Line) -> None:
    if part.amount == 0:
        raise Malformed("command.body.lines", "holds an amount of zero")
    if line.state == UNFUNDED:
        raise LineNotHeld("the line was not paid", line=part.line, state=line.state)
    left = line.held if part.held else line.released
    if part.amount > left:
        raise ChargebackTooLarge(
            "less of the line is left to be charged back", line=part.line, left=str(left)
        )


def _take(changes: Counter[str], order: str, line: Line, part: Back, sign: int) -> None:
    """Add what moves when a part is taken (1), or given back (-1), to changes of accounts."""
    amount = sign * part.amount
    if part.held:
        changes[escrow_account(order, part.line)] -= amount
        return
    fee = line.fee_on(line.released) - line.fee_on(line.released - amount)
    changes[receivable_account(line.merchant)] -= amount - fee
    changes["fees"] -= fee


def _open_case(given: Given, order: Order) -> Case:
    number = given.body["case"]
    case = next((each for each in order.cases if each.number == number), None)
    if case is None:
        raise UnknownChargeback(f"no such chargeback: {number}", case=number)
    if not case.open:
        raise ChargebackEnded("the chargeback has ended", case=number)
    if given.body["provider"] != case.provider:
        raise Malformed("command.body.provider", "is not the one that took the money")
    return case


def _ended(given: Given, order: Order, case: Case) -> list[Fact]:
    body, changes = given.body, Counter[str]()
    lines = [order.lines[part.line - 1] for part in case.parts]
    if body["stage"] == WON:
        for part, line in zip(case.parts, lines, strict=True):
            changes[f"external/{case.provider}"] -= part.amount
            _take(changes, body["order"], line, part, -1)
        gone = []
    else:
        gone = _gone(order, case)
    data = {"postings": written_postings(order, changes)}
    own = Fact(order_stream(body["order"]), "chargeback-ended/1", data)
    owed = _debts(given, order, case) if body["stage"] == LOST else {}
    return [own, *freed(tuple(gone)), *_counted(given, lines, -1, owed)]


def _debts(given: Given, order: Order, lost: Case) -> dict[str, Owed]:
    """Say by merchant what it owes by a case that is lost, and when that is due.

    While a case is open nothing else moves the lines, so that what all the cases of a line that
    were lost made owed is together what its merchant lost.
    """
    terms = terms_of(given, order.terms)
    period_s = terms.document["merchant"]["recourse_s"] if terms is not None else 0
    amounts = Counter[str]()
    for part in lost.parts:
        line = order.lines[part.line - 1]
        if not part.held:
            top = line.released + sum(
                each.amount
                for case in order.cases
                if case.open
                for each in case.parts
                if each.line == part.line and not each.held
            )
            amounts[line.merchant] += _net(line, top) - _net(line, top - part.amount)
    due = given.at + period_s * SECOND_US
    return {name: Owed(order.currency, owed, due) for name, owed in amounts.items() if owed}


def _net(line: Line, released: int) -> int:
    return released - line.fee_on(released)


def _gone(order: Order, lost: Case) -> list[Line]:
    """Name the lines that came to nothing by what is lost now: their items are for sale again."""
    others = [case for case in order.cases if case.open and case is not lost]
    waiting = {part.line for case in others for part in case.parts}
    lines = [order.lines[part.line - 1] for part in lost.parts if part.line not in waiting]
    return [line for line in lines if line.state == CHARGED_BACK and not line.delivered]


def _folded(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    order, body = as_order(state), entry.command.body
    parts = _parts(order, body["lines"])
    lines = list(order.lines)
    for part in parts:
        lines[part.line - 1] = lines[part.line - 1].charged(body["case"], part.amount)
    case = Case(body["case"], body["provider"], parts)
    return order._replace(lines=tuple(lines), cases=(*order.cases, case))


def _folded_end(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    order, body = as_order(state), entry.command.body
    case = next(each for each in order.cases if each.number == body["case"])
    lines = list(order.lines)
    for part in case.parts:
        line = lines[part.line - 1]
        if body["stage"] == WON:
            line = line.regained(part.amount, held=part.held)
        lines[part.line - 1] = line.thawed(case.number, entry.at)
    cases = [each._replace(open=False) if each is case else each for each in order.cases]
    return order._replace(lines=tuple(lines), cases=tuple(cases))


_PART: Final[schema.Schema] = {"amount": schema.amount, "line": line_number}

KINDS = (
    Kind(
        "record-chargeback/1",
        (("cashier",),),
        {
            "case": schema.uuid7,
            "lines": schema.items(schema.nested(_PART), most=LINES_MAX),
            "order": schema.uuid7,
            "provider": schema.one_of(PROVIDERS),
            "stage": schema.one_of(STAGES),
        },
        _record,
        sealed=("transaction",),
        reads=order_and_terms,
        risky=True,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "chargeback-recorded/1",
        {"postings": POSTINGS},
        _folded,
        "a provider took back what a buyer paid",
    ),
    EventType(
        "chargeback-ended/1",
        {"postings": schema.items(schema.nested(POSTING), most=POSTINGS_MAX)},
        _folded_end,
        "a provider gave back what it had taken, or kept it",
    ),
)
