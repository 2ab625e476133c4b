"""Credit and points: units of their own that the platform gives its members, and no money.

What was given lies on the account `credit/` of the member and is missing on `issued`. What is
clawed back and no longer there is owed, and comes off what is given next. Every entry says all of
it. Specification: docs/spec.md section 9.20.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.balances import check_other
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed, WrongSigners
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.money import AFTER, POSTINGS, account_of, changed, written
from ledger.rules.parties import party_of
from ledger.rules.state import State
from ledger.rules.trade_errors import CreditTooLow
from ledger.rules.trade_state import Account, Credit

CREDIT: Final = "CREDIT"
_ISSUED: Final = "issued"


def credit_stream(party: str) -> str:
    """Name the stream of a member's credit and points, which is the account's name too."""
    return f"credit/{party}"


def credit_of(given: Given, party: str) -> Credit:
    """Read a member's credit and points; nothing where none were ever given."""
    found = given.view.stream(credit_stream(party))
    if found is None:
        return Credit()
    assert isinstance(found.state, Credit)  # noqa: S101 - the stream's name says what it holds
    return found.state


def _grant(given: Given) -> list[Fact]:
    party = given.body["party"]
    party_of(given, party)
    check_other(given.command.signers[0].party, party)
    unit, amount = _amount(given)
    return [given_back(given, "credit-granted/1", unit, amount)]


def given_back(given: Given, type_: str, unit: str, amount: int) -> Fact:
    """Write that the body's party is given so much, off which comes first what it owes.

    Raises:
        TooLarge: It would have too much.

    """
    before = credit_of(given, given.body["party"])
    back = min(amount, Account(before.owed).held(unit))
    return _fact(given, type_, before, unit, amount - back, -back)


def _claw_back(given: Given) -> list[Fact]:
    party = given.body["party"]
    party_of(given, party)
    check_other(given.command.signers[0].party, party)
    unit, amount = _amount(given)
    before = credit_of(given, party)
    taken = min(amount, Account(before.held).held(unit))
    return [_fact(given, "credit-clawed-back/1", before, unit, -taken, amount - taken)]


def _redeem(given: Given) -> list[Fact]:
    party, signer = given.body["party"], given.command.signers[0].party
    if signer != party:
        raise WrongSigners("another party signs", party=party, signer=signer)
    unit, amount = _amount(given)
    before = credit_of(given, party)
    held = Account(before.held).held(unit)
    if held < amount:
        raise CreditTooLow(
            "the member does not have as much", unit=unit, held=str(held), asked=str(amount)
        )
    return [_fact(given, "credit-redeemed/1", before, unit, -amount, 0)]


def _amount(given: Given) -> tuple[str, int]:
    """Read the body's unit and how much of it. Raises `Malformed` where it is 0."""
    if given.body["amount"] == "0":
        raise Malformed("command.body.amount", "is zero")
    return given.body["unit"], int(given.body["amount"])


def _fact(given: Given, type_: str, before: Credit, unit: str, more: int, owes: int) -> Fact:
    """Write that a member has so much more of a unit, and owes so much more of it."""
    party = given.body["party"]
    held = changed(Account(before.held), unit, more)
    owed = changed(Account(before.owed), unit, owes)
    sides = (
        (credit_stream(party), more),
        (_ISSUED, owes - more),
        (f"receivable/{party}", -owes),
    )
    postings = [
        {"account": account, "amount": str(change), "currency": unit}
        for account, change in sides
        if change
    ]
    after = {"held": written(held), "owed": written(owed)}
    return Fact(credit_stream(party), type_, {"after": after, "postings": postings})


def credit_after(_state: State | None, entry: Entry) -> State:
    """Read credit and points from the entry alone: it says all of them."""
    after: dict[str, Any] = entry.data["after"]
    return Credit(account_of(after["held"]).holdings, account_of(after["owed"]).holdings)


_CASHIER: Final = (("cashier",),)
UNITS_BODY: Final[schema.Schema] = {
    "amount": schema.amount,
    "party": schema.identifier,
    "unit": schema.one_of(schema.UNITS),
}
_SOURCES: Final = ("campaign", "compensation", "correction")
_GROUNDS: Final = ("correction", "fraud", "reversal")
DATA: Final[schema.Schema] = {
    "after": schema.nested({"held": AFTER, "owed": AFTER}),
    "postings": POSTINGS,
}

KINDS = (
    Kind(
        "grant-credit/1",
        _CASHIER,
        UNITS_BODY | {"source": schema.one_of(_SOURCES)},
        _grant,
        sealed=("reason",),
        risky=True,
        exact=True,
    ),
    Kind(
        "claw-back-credit/1",
        _CASHIER,
        UNITS_BODY | {"ground": schema.one_of(_GROUNDS)},
        _claw_back,
        sealed=("reason",),
        risky=True,
        exact=True,
    ),
    Kind(
        "redeem-credit/1",
        (("member",),),
        UNITS_BODY | {"service": schema.name},
        _redeem,
        risky=True,
        exact=True,
    ),
)
EVENTS = (
    EventType("credit-granted/1", DATA, credit_after, "credit or points were given"),
    EventType("credit-clawed-back/1", DATA, credit_after, "credit or points were taken back"),
    EventType("credit-redeemed/1", DATA, credit_after, "credit or points were redeemed"),
)
