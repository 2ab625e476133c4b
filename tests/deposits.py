"""Deposits for tests: agreed, funded, asked back and paid back by their merchants."""

from __future__ import annotations

from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft
from ledger.rules.entries import read_entry
from ledger.rules.model import Fact
from ledger.rules.state import Terms
from ledger.rules.trade_state import Deposit
from tests.worlds import World

HOUR_US = 3_600_000_000
COOL_DOWN_US = HOUR_US


def deposit_draft(
    world: World, kind: str, merchant: str, *, by: str | None = None, **body: Any
) -> Draft:
    """Draft a command about a merchant's deposit, which it signs itself but in attacks."""
    signer = by or merchant
    places = [world.signs(signer, "merchant")]
    return Draft(kind, signer, places, {"merchant": merchant, **body})


def agree_deposit(world: World, merchant: str) -> Accepted:
    """Let a merchant agree to what the trade policy in force says of deposits."""
    found = world.ledger.stream("policy/trade")
    assert found is not None
    assert isinstance(found.state, Terms)
    digest = found.state.at(world.clock.now()).digest
    return world.submit(deposit_draft(world, "agree-deposit/1", merchant, terms=digest))


def fund_deposit(world: World, merchant: str, amount: int, currency: str = "CNY") -> Accepted:
    """Let a merchant move money of its balance to its deposit."""
    money = {"amount": str(amount), "currency": currency}
    return world.submit(deposit_draft(world, "fund-deposit/1", merchant, amount=money))


def request_deposit(world: World, merchant: str, amount: int | None) -> Accepted:
    """Let a merchant ask for a part of its deposit; None takes that back."""
    money = None if amount is None else {"amount": str(amount), "currency": "CNY"}
    return world.submit(deposit_draft(world, "request-deposit/1", merchant, amount=money))


def withdraw_deposit(world: World, merchant: str) -> Accepted:
    """Let a merchant be paid back what it asked for."""
    return world.submit(deposit_draft(world, "withdraw-deposit/1", merchant))


def claim_counted(world: World, merchant: str, change: int) -> Fact:
    """What an honest ledger says of a deposit when a claim opens (1) or closes (-1)."""
    (row,) = world.recorder.entries_of_streams([f"deposit/{merchant}"])
    after = read_entry(row.entry).data["after"]
    after["claims"] += change
    return Fact(f"deposit/{merchant}", "deposit-claimed/1", {"after": after})


def deposit_of(world: World, merchant: str) -> Deposit:
    """What a merchant's deposit is now."""
    found = world.ledger.stream(f"deposit/{merchant}")
    assert found is not None
    assert isinstance(found.state, Deposit)
    return found.state
