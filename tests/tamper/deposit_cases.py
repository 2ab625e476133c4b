"""What an operator could write of deposits if the rules said yes: unasked, too soon, another's.

In the market `mia` deposited 2,000 and has 500 more on its balance than what its orders brought;
one claim on what it sold is open, of which `lou` is the buyer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.rules.entries import read_entry
from ledger.rules.model import Fact
from ledger.rules.text import format_time
from tests.deposits import claim_counted, deposit_draft
from tests.orders import order_of
from tests.tamper.escrow_cases import (
    AWAITED,
    BUYER,
    DELIVERED,
    Steps,
    close,
    deliver,
    open_claim,
    order,
)
from tests.tamper.trade_cases import Step
from tests.worlds import World

HOUR_US = 3_600_000_000
CNY = "CNY"


def said(world: World, stream: str) -> Any:
    """What an account holds, by its last entry."""
    (row,) = world.recorder.entries_of_streams([stream])
    return read_entry(row.entry).data["after"]


def money(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": CNY}] if amount else []


def move(
    world: World, amount: int, *, account: str = "balance/mia", by: str = "mia", **says: Any
) -> Step:
    """Let so much come to mia's deposit, or leave it; `says` is what the entry then says of it."""
    before, held = said(world, "deposit/mia"), int(said(world, "balance/mia")[0]["amount"])
    parts = {"available": money(2000 + amount), "requested_at": None, "reserved": []}
    after = {**before, **parts, **says}
    sides = sorted(((account, -amount), ("deposit/mia", amount)))
    postings = [{"account": name, "amount": str(sum_), "currency": CNY} for name, sum_ in sides]
    facts = [Fact("deposit/mia", "deposit-changed/1", {"after": after, "postings": postings})]
    if account == "balance/mia":
        data = {"after": money(held - amount)}
        facts.append(Fact("balance/mia", "balance-changed/1", data))
    if amount < 0:
        return deposit_draft(world, "withdraw-deposit/1", "mia", by=by), facts
    asked = {"amount": str(amount), "currency": CNY}
    return deposit_draft(world, "fund-deposit/1", "mia", by=by, amount=asked), facts


def ask(world: World, amount: int, *, by: str = "mia", **says: Any) -> Step:
    """Ask for so much of mia's deposit."""
    before, now = said(world, "deposit/mia"), world.clock.now()
    asked = {"available": money(2000 - amount), "reserved": money(amount)}
    after = {**before, **asked, "requested_at": format_time(now), **says}
    wanted = {"amount": str(amount), "currency": CNY}
    draft = deposit_draft(world, "request-deposit/1", "mia", by=by, amount=wanted)
    return draft, [Fact("deposit/mia", "deposit-reserved/1", {"after": after})]


def settle(world: World) -> Step:
    """Lou withdraws the open claim, so that nothing but time stands against the deposit."""
    until = order_of(world, order(world)).lines[1].inspect_by
    assert until is not None
    return close(world, "none", {}, BUYER, said={"inspect_by": format_time(until)})


def unsaid(step: Callable[[World], Step]) -> Callable[[World], Step]:
    """Leave out what a claim has the deposit say."""

    def without(world: World) -> Step:
        draft, facts = step(world)
        return draft, facts[:-1]

    return without


def miscounted(world: World) -> Step:
    """Open a claim that mia's deposit does not count."""
    draft, facts = open_claim(world, DELIVERED)
    return draft, [*facts[:-1], claim_counted(world, "mia", 0)]


def agree(world: World, **says: Any) -> Step:
    """Let mia agree again to what it agreed to, under other terms."""
    before = said(world, "deposit/mia")
    after = {**before, "agreed": {**before["agreed"], **says}}
    draft = deposit_draft(world, "agree-deposit/1", "mia", terms=after["agreed"]["terms"])
    return draft, [Fact("deposit/mia", "deposit-agreed/1", {"after": after})]


DEPOSITS: dict[str, Steps] = {
    "a deposit that is paid back while a claim is open": [
        lambda w: ask(w, 500),
        lambda w: move(w, -500),
    ],
    "a deposit that is paid back before its cool-down": [
        settle,
        lambda w: ask(w, 500, claims=0),
        lambda w: move(w, -500, claims=0),
    ],
    "a deposit that is paid back and was not asked for": [
        settle,
        lambda w: move(w, -500, claims=0),
    ],
    "a deposit that another party asks for": [lambda w: ask(w, 500, by="ben")],
    "more of a deposit than there is": [lambda w: ask(w, 2001, available=[])],
    "a deposit that goes to another party": [
        settle,
        lambda w: ask(w, 500, claims=0),
        lambda w: move(w, -500, account="balance/ben", claims=0),
    ],
    "a deposit that says more than came": [lambda w: move(w, 5, available=money(2006))],
    "a claim that no deposit counts": [
        unsaid(lambda w: open_claim(w, DELIVERED)),
        lambda w: deliver(w, AWAITED),
    ],
    "a claim that a deposit counts wrongly": [miscounted],
    "a cool-down that nobody agreed to": [lambda w: agree(w, cool_down_s=0)],
    "a deposit under terms that are not in force": [lambda w: agree(w, terms="0" * 64)],
}
DEPOSIT_CASES: dict[str, tuple[str, Steps]] = {
    name: ("deposits", steps) for name, steps in DEPOSITS.items()
}
