"""Money: postings that sum to nothing, and accounts that say after each what they hold.

An event that moves money holds all its postings; what an account holds afterwards stands in the
entry on that account's own stream, whole, so that nobody has to add up its history to know it.
Specification: docs/spec.md section 9.10.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.entries import Entry
from ledger.rules.errors import TooLarge
from ledger.rules.model import UNJUDGED, Fact, Given
from ledger.rules.state import State
from ledger.rules.trade_errors import BalanceTooLow
from ledger.rules.trade_state import Account

HOLDINGS_MAX: Final = 64
POSTINGS_MAX: Final = 64
AMOUNT_LIMIT: Final = 10**38

POSTING: Final[schema.Schema] = {
    "account": schema.account,
    "amount": schema.signed,
    "currency": schema.currency,
}
AFTER: Final = schema.sorted_items(schema.money, most=HOLDINGS_MAX, by="currency")
POSTINGS: Final = schema.items(schema.nested(POSTING), least=2, most=POSTINGS_MAX)


def moved(source: str, target: str, amount: int, currency: str) -> list[dict[str, str]]:
    """Write the postings that move an amount from one account to another, sorted by account."""
    each = ((source, -amount), (target, amount))
    return [
        {"account": account, "amount": str(change), "currency": currency}
        for account, change in sorted(each)
    ]


def changed(account: Account, currency: str, change: int) -> Account:
    """Return an account after a change of one of its currencies.

    Raises:
        TooLarge: It would hold an amount of 39 digits, or too many currencies.

    """
    amount = account.held(currency) + change
    if amount >= AMOUNT_LIMIT:
        raise TooLarge("the account would hold too much", digits=len(str(amount)), most=38)
    rest = [each for each in account.holdings if each[0] != currency]
    holdings = sorted([*rest, (currency, amount)] if amount else rest)
    if len(holdings) > HOLDINGS_MAX:
        raise TooLarge(
            "the account would hold too many currencies",
            currencies=len(holdings),
            most=HOLDINGS_MAX,
        )
    return Account(tuple(holdings))


def balance_stream(party: str) -> str:
    """Name the stream of a party's balance, which is the account's name too."""
    return f"balance/{party}"


def receivable_account(party: str) -> str:
    """Name the account of what a party owes the platform: below zero while it does."""
    return f"receivable/{party}"


def balance_of(given: Given, party: str) -> Account:
    """Read what a party's balance holds; nothing where it was never written."""
    found = given.view.stream(balance_stream(party))
    if found is None:
        return Account()
    assert isinstance(found.state, Account)  # noqa: S101 - the stream's name says what it holds
    return found.state


def taken(account: Account, currency: str, change: int) -> Account:
    """Return an account after a change that must not bring it below zero.

    Raises:
        BalanceTooLow: It does not hold as much.
        TooLarge: It would hold too much.

    """
    held = account.held(currency)
    if held + change < 0:
        raise BalanceTooLow(
            "the balance does not hold as much",
            currency=currency,
            held=str(held),
            asked=str(-change),
        )
    return changed(account, currency, change)


def balance_changes(given: Given, postings: list[dict[str, str]]) -> list[Fact]:
    """Write what follows from postings for each balance that they name, by name.

    Where the view does not know accounts, what they hold is left unjudged.

    Raises:
        BalanceTooLow: A balance does not hold as much as is taken from it.
        TooLarge: A balance would hold too much.

    """
    named: dict[str, list[dict[str, str]]] = {}
    for posting in postings:
        if posting["account"].startswith("balance/"):
            named.setdefault(posting["account"], []).append(posting)
    return [_balance_change(given, stream, named[stream]) for stream in sorted(named)]


def _balance_change(given: Given, stream: str, postings: list[dict[str, str]]) -> Fact:
    if not given.view.knows_accounts():
        return Fact(stream, "balance-changed/1", UNJUDGED)
    account = balance_of(given, stream.removeprefix("balance/"))
    for posting in postings:
        account = taken(account, posting["currency"], int(posting["amount"]))
    return Fact(stream, "balance-changed/1", {"after": written(account)})


def written(account: Account) -> list[dict[str, str]]:
    """Write what an account holds, as `after` in an entry."""
    return [{"amount": str(amount), "currency": name} for name, amount in account.holdings]


def account_after(_state: State | None, entry: Entry) -> State:
    """Read what an account holds from the entry alone: it says all of it."""
    return account_of(entry.data["after"])


def account_of(after: list[dict[str, Any]]) -> Account:
    """Read what an account holds as it is written in an entry."""
    return Account(tuple([(each["currency"], int(each["amount"])) for each in after]))
