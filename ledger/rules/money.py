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
from ledger.rules.state import State
from ledger.rules.trade_state import Account

HOLDINGS_MAX: Final = 64
POSTINGS_MAX: Final = 64
_LIMIT: Final = 10**38

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
    if amount >= _LIMIT:
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


def written(account: Account) -> list[dict[str, str]]:
    """Write what an account holds, as `after` in an entry."""
    return [{"amount": str(amount), "currency": name} for name, amount in account.holdings]


def account_after(_state: State | None, entry: Entry) -> State:
    """Read what an account holds from the entry alone: it says all of it."""
    after: list[dict[str, Any]] = entry.data["after"]
    return Account(tuple((each["currency"], int(each["amount"])) for each in after))
