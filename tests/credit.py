"""Credit, points and levels for tests: given and taken back by a cashier, redeemed by a member."""

from __future__ import annotations

from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft, Sealing, compose
from ledger.rules.earning import KIND as EARN
from ledger.rules.earning import earned, earning_id
from ledger.rules.state import Party, Terms
from ledger.rules.trade_state import Credit
from tests.orders import order_of
from tests.worlds import World


def credit_body(party: str, amount: int, unit: str = "CREDIT", **more: str) -> dict[str, Any]:
    """The body of a command about a member's credit or points."""
    return {"amount": str(amount), "party": party, "unit": unit, **more}


def credit_draft(
    world: World, kind: str, by: str, party: str, amount: int, unit: str = "CREDIT"
) -> Draft:
    """Draft a command about a member's credit or points."""
    if kind == "redeem-credit/1":
        body = credit_body(party, amount, unit, service="coupon")
        return Draft(kind, by, [world.signs(by, "member")], body)
    why = {"source": "campaign"} if kind == "grant-credit/1" else {"ground": "fraud"}
    seal = [Sealing("reason", party, world.dice(32), "as agreed")]
    body = credit_body(party, amount, unit, **why)
    return Draft(kind, by, [world.signs(by, "cashier")], body, seal=seal)


def grant_credit(world: World, party: str, cashier: str, amount: int, unit: str) -> Accepted:
    """Let a cashier give credit or points."""
    return world.submit(credit_draft(world, "grant-credit/1", cashier, party, amount, unit))


def claw_back(world: World, party: str, cashier: str, amount: int, unit: str) -> Accepted:
    """Let a cashier take credit or points back."""
    return world.submit(credit_draft(world, "claw-back-credit/1", cashier, party, amount, unit))


def redeem_credit(world: World, party: str, amount: int, unit: str) -> Accepted:
    """Let a member redeem credit or points."""
    return world.submit(credit_draft(world, "redeem-credit/1", party, party, amount, unit))


def earned_by(world: World, order: str, line: int, unit: str = "CREDIT") -> int:
    """How much a line of an order has earned its buyer by now."""
    found, policies = order_of(world, order), world.ledger.stream("policy/trade")
    assert policies is not None
    assert isinstance(policies.state, Terms)
    pinned = policies.state.of(found.terms)
    return earned(found.lines[line - 1], None if pinned is None else pinned.document, unit)


def earning_draft(
    world: World,
    order: str,
    line: int,
    amount: int,
    unit: str = "CREDIT",
    *,
    party: str | None = None,
) -> Draft:
    """Draft that a line of an order earned its buyer so much."""
    buyer = party or order_of(world, order).buyer
    body = credit_body(buyer, amount, unit, order=order) | {"line": line}
    return Draft(EARN, "system", [world.signs("system", "system")], body)


def earn_credit(world: World, order: str, line: int, unit: str = "CREDIT") -> Accepted:
    """Let the ledger give a buyer what a line earned."""
    draft = earning_draft(world, order, line, earned_by(world, order, line, unit), unit)
    command = compose(world.context(), earning_id(order, line, unit), draft)
    (outcome,) = world.send(world.sign(command))
    if not isinstance(outcome, Accepted):
        raise outcome
    return outcome


def level_draft(world: World, party: str, level: str) -> Draft:
    """Draft the command that records a member's level."""
    places = [world.signs("system", "system")]
    return Draft("update-level/1", "system", places, {"level": level, "party": party})


def update_level(world: World, party: str, level: str) -> Accepted:
    """Let the system record the level that a member has now."""
    return world.submit(level_draft(world, party, level))


def credit_of(world: World, party: str) -> Credit:
    """What a member has and owes now."""
    found = world.ledger.stream(f"credit/{party}")
    assert found is not None
    assert isinstance(found.state, Credit)
    return found.state


def level(world: World, party: str) -> str | None:
    """The level that was recorded last."""
    found = world.ledger.stream(f"party/{party}")
    assert found is not None
    assert isinstance(found.state, Party)
    return found.state.level
