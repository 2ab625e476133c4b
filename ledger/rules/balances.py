"""Balances: money that a cashier saw come in, and money that its owner takes out.

What a party's balance holds is what the platform owes it. The account `external/` of a provider is
the other side: below zero by what came in and did not leave. Specification: docs/spec.md section
9.10.
"""

from __future__ import annotations

from ledger.rules import schema
from ledger.rules.errors import Malformed, UnknownCurrency, WrongSigners
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import (
    AFTER,
    POSTINGS,
    account_after,
    balance_of,
    balance_stream,
    moved,
    taken,
    written,
)
from ledger.rules.parties import party_of
from ledger.rules.text import PROVIDERS


def amount_of(given: Given) -> tuple[str, int]:
    """Read the body's amount as currency and minor units. Raises `Malformed` where it is 0."""
    money = given.body["amount"]
    if money["amount"] == "0":
        raise Malformed("command.body.amount.amount", "is zero")
    return money["currency"], int(money["amount"])


def check_other(cashier: str, party: str) -> None:
    """Accept a cashier that serves another party. Raises `WrongSigners`."""
    if cashier == party:
        raise WrongSigners("a cashier does not serve itself", party=party, signer=cashier)


def _top_up(given: Given) -> list[Fact]:
    party = given.body["party"]
    party_of(given, party)
    check_other(given.command.signers[0].party, party)
    currency, amount = amount_of(given)
    if not given.policy.knows(currency):
        raise UnknownCurrency("the policy has no such currency", currency=currency)
    return [_fact(given, "balance-topped-up/1", currency, amount)]


def _pay_out(given: Given) -> list[Fact]:
    party, (owner, cashier) = given.body["party"], given.command.signers
    if owner.party != party:
        raise WrongSigners("another party signs", party=party, signer=owner.party)
    check_other(cashier.party, party)
    currency, amount = amount_of(given)
    return [_fact(given, "balance-paid-out/1", currency, -amount)]


def _fact(given: Given, type_: str, currency: str, change: int) -> Fact:
    party = given.body["party"]
    stream = balance_stream(party)
    postings = moved(f"external/{given.body['provider']}", stream, change, currency)
    after = written(taken(balance_of(given, party), currency, change))
    return Fact(stream, type_, {"after": after, "postings": postings})


_BODY: schema.Schema = {
    "amount": schema.money,
    "party": schema.identifier,
    "provider": schema.one_of(PROVIDERS),
}
_DATA: schema.Schema = {"after": AFTER, "postings": POSTINGS}

KINDS = (
    Kind(
        "top-up/1", (("cashier",),), _BODY, _top_up, sealed=("transaction",), risky=True, exact=True
    ),
    Kind(
        "pay-out/1",
        (("owner", "cashier"),),
        _BODY,
        _pay_out,
        sealed=("account",),
        risky=True,
        exact=True,
    ),
)
EVENTS = (
    EventType("balance-topped-up/1", _DATA, account_after, "money came in"),
    EventType("balance-paid-out/1", _DATA, account_after, "money was paid out"),
    EventType("balance-changed/1", {"after": AFTER}, account_after, "a trade moved money"),
)
