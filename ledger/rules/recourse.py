"""Recourse: what merchants lost by chargebacks is taken from them once it is due.

A timer of each debtor and currency takes it from the merchant's balance first and then from its
deposit, out of what is available before what was asked back. Where that is not enough, the rest
stays owed and falls due again a day later. Specification: docs/spec.md section 9.24.
"""

from __future__ import annotations

from typing import Final

from ledger.rules import schema
from ledger.rules.chargeback_errors import NothingToRecover
from ledger.rules.deposits import (
    DEPOSIT_SAID,
    deposit_after,
    deposit_of,
    deposit_stream,
    written_deposit,
)
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import (
    POSTINGS,
    balance_changes,
    balance_of,
    balance_stream,
    changed,
    receivable_account,
)
from ledger.rules.timers import Timer, check_timer
from ledger.rules.trade_state import Account, Deposit, Owed

KIND: Final = "recover-chargeback/1"
AGAIN_US: Final = 24 * 3600 * 1_000_000


def recourse_rule(currency: str) -> str:
    """Name the rule by which what is owed in a currency falls due."""
    return f"chargeback-owed/{currency}"


def recourse_timers(deposit: Deposit) -> list[Timer]:
    """Say what falls due of what a merchant owes, by currency."""
    return [Timer(each.due, recourse_rule(each.currency)) for each in deposit.owed]


def _recover(given: Given) -> list[Fact]:
    body, before = given.body, deposit_of(given, given.body["merchant"])
    currency, stream = body["currency"], deposit_stream(body["merchant"])
    check_timer(given, stream, recourse_rule(currency), recourse_timers(before))
    owed = next(each for each in before.owed if each.currency == currency)
    balance = balance_of(given, body["merchant"])
    from_balance = min(owed.amount, balance.held(currency))
    from_deposit, after = _out_of(before, currency, owed.amount - from_balance)
    amount = from_balance + from_deposit
    if amount == 0:
        raise NothingToRecover(
            "the merchant has nothing that could be taken",
            merchant=body["merchant"],
            currency=currency,
            owed=str(owed.amount),
        )
    after = after._replace(owed=_rest(before, owed, amount, given.at))
    changes = {
        balance_stream(body["merchant"]): -from_balance,
        stream: -from_deposit,
        receivable_account(body["merchant"]): amount,
    }
    postings = [
        {"account": account, "amount": str(change), "currency": currency}
        for account, change in sorted(changes.items())
        if change
    ]
    data = {"after": written_deposit(after), "postings": postings}
    return [Fact(stream, "recourse-taken/1", data), *balance_changes(given, postings)]


def _out_of(before: Deposit, currency: str, asked: int) -> tuple[int, Deposit]:
    """Take up to an amount out of a deposit; return how much it was, and what the deposit is then.

    Raises:
        TooLarge: So much was taken of it already that another amount cannot be told.

    """
    available, reserved = Account(before.available), Account(before.reserved)
    first = min(asked, available.held(currency))
    second = min(asked - first, reserved.held(currency))
    if first + second == 0:
        return 0, before
    left = changed(reserved, currency, -second).holdings
    after = before._replace(
        available=changed(available, currency, -first).holdings,
        reserved=left,
        forfeited=changed(Account(before.forfeited), currency, first + second).holdings,
        requested_at=before.requested_at if left else None,
    )
    return first + second, after


def _rest(before: Deposit, owed: Owed, taken: int, at: int) -> tuple[Owed, ...]:
    """Say what is owed after so much was taken; what is left of it is due again a day later."""
    left = owed._replace(amount=owed.amount - taken, due=at + AGAIN_US)
    rest = [left if each is owed else each for each in before.owed]
    return tuple(each for each in rest if each.amount)


KINDS = (
    Kind(
        KIND,
        (("system",),),
        {"currency": schema.currency, "due": schema.time, "merchant": schema.identifier},
        _recover,
        exact=True,
    ),
)
EVENTS = (
    EventType(
        "recourse-taken/1",
        DEPOSIT_SAID | {"postings": POSTINGS},
        deposit_after,
        "what a merchant lost by chargebacks was taken from it",
    ),
)
