"""Balances for tests: topped up by a cashier, paid out to their owners."""

from __future__ import annotations

from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft, Sealing
from tests.worlds import World


def money_body(party: str, amount: int, **changes: Any) -> dict[str, Any]:
    """The body of a movement: so many minor units of CNY, by the internal provider."""
    money = {"amount": str(amount), "currency": changes.pop("currency", "CNY")}
    return {"amount": money, "party": party, "provider": "internal", **changes}


def top_up(world: World, party: str, cashier: str, amount: int, **changes: Any) -> Accepted:
    """Let a cashier record money that came in."""
    seal = [Sealing("transaction", party, world.dice(32), "T-1")]
    body = money_body(party, amount, **changes)
    places = [world.signs(cashier, "cashier")]
    return world.submit(Draft("top-up/1", cashier, places, body, seal=seal))


def pay_out(world: World, party: str, cashier: str, amount: int, **changes: Any) -> Accepted:
    """Let a party take money out, with a cashier."""
    seal = [Sealing("account", party, world.dice(32), "6222 0000")]
    body = money_body(party, amount, **changes)
    places = [world.signs(party, "owner"), world.signs(cashier, "cashier")]
    return world.submit(Draft("pay-out/1", party, places, body, seal=seal))
