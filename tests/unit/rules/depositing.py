"""Deposits for tests of the rules: of `shop`, whose balance holds some money."""

from __future__ import annotations

from typing import Any

from ledger.rules.compose import Draft
from ledger.rules.digests import terms_digest
from ledger.rules.state import Terms
from ledger.rules.trade_state import Deposit
from tests.unit.rules.ordering import TERMS, trading
from tests.unit.rules.small import HOUR_US, Small

HAS = 3_000
TERMS_DIGEST = terms_digest(TERMS)


def depositing(small: Small, kind: str, *, by: str = "shop", **body: Any) -> Draft:
    """Draft a command about a deposit; amounts are in CNY."""
    full = {"merchant": "shop", **body}
    if isinstance(body.get("amount"), int):
        full["amount"] = {"amount": str(body["amount"]), "currency": "CNY"}
    return small.draft(f"{kind}-deposit/1", (by, "merchant"), **full)


def rich() -> Small:
    """A log of orders whose `shop` has 3,000 on its balance."""
    small = trading()
    topped_up(small, "shop", HAS)
    return small


def topped_up(small: Small, party: str, amount: int) -> None:
    """Let money come in for a party."""
    money = {"amount": str(amount), "currency": "CNY"}
    body = {"amount": money, "party": party, "provider": "internal"}
    small.act("top-up/1", ("ann", "cashier"), **body)


def funded(amount: int = 2_000, small: Small | None = None) -> Small:
    """Let `shop` agree to a deposit and fund it."""
    small = small or rich()
    small.do(depositing(small, "agree", terms=TERMS_DIGEST))
    small.do(depositing(small, "fund", amount=amount))
    return small


def asked(amount: int = 500) -> Small:
    """Let it ask for a part."""
    small = funded()
    small.do(depositing(small, "request", amount=amount))
    return small


def deposited(small: Small) -> None:
    """In any log of `shop`, `ann` and a trade policy: money goes to a deposit and comes back."""
    topped_up(small, "shop", 50)
    found = small.state("policy/trade")
    assert isinstance(found, Terms)
    small.do(depositing(small, "agree", terms=found.at(small.at).digest))
    small.do(depositing(small, "fund", amount=50))
    small.do(depositing(small, "request", amount=20))
    small.at += HOUR_US
    small.do(depositing(small, "withdraw"))


def deposit(small: Small, merchant: str = "shop") -> Deposit:
    found = small.state(f"deposit/{merchant}")
    assert isinstance(found, Deposit)
    return found
