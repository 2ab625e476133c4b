"""Paid orders, and what becomes of their lines: delivered, accepted, released, refunded."""

from __future__ import annotations

from typing import Any

from ledger.rules.commands import Command
from ledger.rules.compose import Draft, uuid7
from ledger.rules.order_state import Line
from ledger.rules.trade_state import Account
from tests.unit.rules.ordering import (
    ITEMS,
    ORDER,
    PRICE,
    STREAM,
    SWORD,
    SWORD_PRICE,
    SWORDS,
    line,
    order,
    paying,
    placed,
    renamed,
    timer,
)
from tests.unit.rules.small import HOUR_US, Small

BOTH = (line(ITEMS[0]), line(SWORDS[0], SWORD))
TOTAL = PRICE + SWORD_PRICE
FEE, SWORD_FEE = 247, 1250
HAS = 1_000_000
DAY_US = 24 * HOUR_US
INSPECT_US = 3 * DAY_US
# A base point that no rule looks into: u = 9.
KEY = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
PARCEL = "9" * 64


def paid(*lines: dict[str, Any], **changes: Any) -> Small:
    """Open the log, fill the shop, and pay an order of a card and a sword, or of these lines."""
    lines = lines or BOTH
    small = placed(*lines, **changes)
    small.do(paying(small, sum(int(each["price"]) for each in lines)))
    return small


def delivering(
    small: Small, *numbers: int, by: str = "system", role: str = "agent", parcel: str | None = None
) -> Draft:
    parcels = [{"line": number, "parcel": parcel} for number in numbers or (1, 2)]
    return small.draft("deliver-lines/1", (by, role), order=ORDER, parcels=parcels)


def delivered(*lines: dict[str, Any]) -> Small:
    """Pay an order and deliver all of it."""
    small = paid(*lines)
    small.do(delivering(small, *range(1, len(lines or BOTH) + 1)))
    return small


def accepting(small: Small, *numbers: int, by: str = "bob") -> Draft:
    body = {"lines": list(numbers or (1, 2)), "order": ORDER}
    return small.draft("accept-lines/1", (by, "buyer"), **body)


def releasing(small: Small, due: int) -> Command:
    return timer(small, "release-lines/1", "order-inspected", due)


def refunding(small: Small, due: int) -> Command:
    return timer(small, "refund-lines/1", "order-undelivered", due)


def posting(account: str, amount: int) -> dict[str, str]:
    return {"account": account, "amount": str(amount), "currency": "CNY"}


def escrow(number: int) -> str:
    return f"escrow/{ORDER}/{number}"


def lines_of(small: Small) -> tuple[Line, ...]:
    return order(small, STREAM).lines


def holds(small: Small, party: str) -> int:
    """What a party's balance holds."""
    found = small.streams.get(f"balance/{party}")
    if found is None:
        return 0
    assert isinstance(found.state, Account)
    return found.state.held("CNY")


def balance(party: str, amount: int) -> tuple[str, str, dict[str, Any]]:
    """The effect that says what a balance holds."""
    after = [{"amount": str(amount), "currency": "CNY"}]
    return (f"balance/{party}", "balance-changed/1", {"after": after})


CLAIMS = [uuid7(9, bytes([number] * 10)) for number in range(10)]


def giving(
    small: Small, amount: int, line: int = 1, *, by: str = "shop", currency: str = "CNY"
) -> Draft:
    money = {"amount": str(amount), "currency": currency}
    return small.draft("give-refund/1", (by, "merchant"), amount=money, line=line, order=ORDER)


def claiming(
    small: Small, line: int = 1, *, by: str = "bob", claim: int = 0, kind: str = "key-invalid"
) -> Draft:
    body = {"claim": CLAIMS[claim], "kind": kind, "line": line, "order": ORDER}
    return renamed(small, "open-claim/1", (by, "buyer"), body)


def closing(
    small: Small,
    outcome: str,
    *,
    by: tuple[str, str] = ("rex", "arbitrator"),
    claim: int = 0,
    to_buyer: int | None = None,
) -> Draft:
    body = {"claim": CLAIMS[claim], "outcome": outcome}
    amount = None if to_buyer is None else str(to_buyer)
    return small.draft("close-claim/1", by, **body, to_buyer=amount)


def claimed(*numbers: int, undelivered: bool = False) -> Small:
    """Open a claim on each of these lines, in order; `rex` is the arbitrator."""
    small = paid() if undelivered else delivered()
    small.register("rex")
    small.grant("rex", "arbitrator", second="eve")
    for place, number in enumerate(numbers or (1,)):
        small.do(claiming(small, number, claim=place))
    return small
