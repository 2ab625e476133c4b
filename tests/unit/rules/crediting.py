"""Credit, points and levels for tests of the rules: `ann` is the cashier, `bob` the member."""

from __future__ import annotations

from ledger.rules.commands import Command
from ledger.rules.compose import Draft
from ledger.rules.earning import KIND, earned, earning_id
from ledger.rules.state import Party
from ledger.rules.trade_state import Credit
from tests.credit import credit_body
from tests.terms import terms
from tests.unit.rules.ordering import ORDER, run
from tests.unit.rules.ordering import order as order_of
from tests.unit.rules.small import Small

WHY = {"grant": {"source": "campaign"}, "claw-back": {"ground": "fraud"}}


def crediting(
    small: Small,
    kind: str,
    amount: int,
    unit: str = "CREDIT",
    *,
    party: str = "bob",
    by: str = "ann",
) -> Draft:
    """Draft a command of a cashier about a member's credit or points."""
    body = credit_body(party, amount, unit, **WHY[kind])
    return small.draft(f"{kind}-credit/1", (by, "cashier"), **body)


def redeeming(
    small: Small, amount: int, unit: str = "CREDIT", *, by: str = "bob", party: str = "bob"
) -> Draft:
    """Draft what a member redeems."""
    body = credit_body(party, amount, unit, service="coupon")
    return small.draft("redeem-credit/1", (by, "member"), **body)


def levelling(small: Small, level: str, party: str = "bob") -> Draft:
    """Draft the command that records a member's level."""
    return small.draft("update-level/1", ("system", "system"), level=level, party=party)


def earning(  # noqa: PLR0913 - the parts of a command
    small: Small,
    amount: int,
    unit: str = "CREDIT",
    *,
    line: int = 1,
    party: str = "bob",
    identifier: str | None = None,
    order: str = ORDER,
) -> Command:
    """The command that gives a buyer what a line of its order earned."""
    body = credit_body(party, amount, unit, order=order) | {"line": line}
    known = identifier or earning_id(order, line, unit)
    return small.command(small.draft(KIND, ("system", "system"), **body), identifier=known)


def credited(small: Small, party: str = "olga") -> None:
    """In any log of `ann`, a cashier, a member and a trade policy: all that can be done."""
    small.do(crediting(small, "grant", 10_000, party=party))
    small.do(redeeming(small, 1, by=party, party=party))
    small.do(crediting(small, "grant", 1, party=party))
    small.do(levelling(small, "vip", party))
    small.do(crediting(small, "claw-back", 10_001, party=party))
    number = ORDER[:-1] + "2"
    ended = order_of(small, f"order/{number}")
    amount = earned(ended.lines[0], terms(), "POINTS")
    run(small, earning(small, amount, "POINTS", order=number, party=ended.buyer))


def credit(small: Small, party: str = "bob") -> Credit:
    found = small.state(f"credit/{party}")
    assert isinstance(found, Credit)
    return found


def level(small: Small, party: str = "bob") -> str | None:
    found = small.state(f"party/{party}")
    assert isinstance(found, Party)
    return found.level
