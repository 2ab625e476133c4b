"""Recourse for tests of the rules: what `shop` comes to owe by chargebacks."""

from __future__ import annotations

from ledger.rules.trade_state import Account
from tests.unit.rules.escrowing import accepting, delivered
from tests.unit.rules.small import Small
from tests.unit.rules.test_chargebacks import charging, ending


def lost(small: Small, *parts: tuple[int, int], case: int = 0) -> Small:
    """Let a provider take amounts of lines, and keep them."""
    small.do(charging(small, *parts, case=case))
    small.do(ending(small, "lost", case=case))
    return small


def owing(*parts: tuple[int, int]) -> Small:
    """An order that was accepted whole, and of which a provider keeps a part."""
    small = delivered()
    small.do(accepting(small))
    return lost(small, *parts)


def penniless(small: Small, left: int = 0) -> Small:
    """Pay out what is on the shop's balance, but for so much."""
    found = small.state("balance/shop")
    assert isinstance(found, Account)
    amount = {"amount": str(found.held("CNY") - left), "currency": "CNY"}
    places = [("shop", "owner"), ("ann", "cashier")]
    small.act("pay-out/1", *places, amount=amount, party="shop", provider="internal")
    return small
