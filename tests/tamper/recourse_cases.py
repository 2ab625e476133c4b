"""What an operator could write of recourse if the rules said yes: too soon, too much, unsaid.

In the market `mia` owed by a chargeback once, and it was taken. Here a line of lou's order is
released to it, and a provider takes a part of that and keeps it: `LOSS` is then what mia owes.
"""

from __future__ import annotations

from typing import Any

from ledger.rules.model import Fact
from ledger.rules.text import format_time
from tests.chargebacks import chargeback_draft, recovery_draft
from tests.deposits import claim_counted
from tests.tamper.deposit_cases import CNY, money, said, settle
from tests.tamper.escrow_cases import (
    DAY_US,
    DELIVERED,
    FEE,
    FRESH,
    PRICE,
    Steps,
    order,
    postings,
    release,
    released,
)
from tests.tamper.trade_cases import Step
from tests.worlds import World

TAKEN = 4_000
RETURNED = FEE - FEE * (PRICE - TAKEN) // PRICE
LOSS = TAKEN - RETURNED
CHARGED = {"external/alipay": TAKEN, "fees": -RETURNED, "receivable/mia": -LOSS}


def owed(world: World, amount: int = LOSS, *, after: int = DAY_US) -> list[dict[str, str]]:
    """What mia's deposit says is owed, due so long after now."""
    due = format_time(world.clock.now() + after)
    return [{**each, "due": due} for each in money(amount)]


def accepted(world: World) -> Step:
    """Lou accepts the first line, whose price goes to mia."""
    draft, facts = release(world, DELIVERED, released(DELIVERED))
    held = int(said(world, "balance/mia")[0]["amount"]) + PRICE - FEE
    return draft, [*facts, Fact("balance/mia", "balance-changed/1", {"after": money(held)})]


def charged(world: World) -> Step:
    draft = chargeback_draft(world, order(world), FRESH, "received", {DELIVERED: TAKEN})
    data = {"postings": postings(world, CHARGED)}
    own = Fact(f"order/{order(world)}", "chargeback-recorded/1", data)
    return draft, [own, claim_counted(world, "mia", 1)]


def lost(world: World, **says: Any) -> Step:
    """Let the provider keep it; `says` is what mia's deposit then says."""
    draft = chargeback_draft(world, order(world), FRESH, "lost")
    own = Fact(f"order/{order(world)}", "chargeback-ended/1", {"postings": []})
    counted = claim_counted(world, "mia", 0)
    counted.data["after"].update({"owed": owed(world), **says})
    return draft, [own, counted]


def recovered(world: World, *, days: int = 1, payer: str = "mia") -> Step:
    """Take it off a balance, as if it had been due so many days after now."""
    due = format_time(world.clock.now() + days * DAY_US)
    sides = ((f"balance/{payer}", -LOSS), ("receivable/mia", LOSS))
    moved = [{"account": name, "amount": str(sum_), "currency": CNY} for name, sum_ in sides]
    after = {**said(world, "deposit/mia"), "owed": []}
    held = int(said(world, f"balance/{payer}")[0]["amount"])
    held += PRICE - FEE if payer == "mia" else 0
    return recovery_draft(world, "mia", due=due), [
        Fact("deposit/mia", "recourse-taken/1", {"after": after, "postings": moved}),
        Fact(f"balance/{payer}", "balance-changed/1", {"after": money(held - LOSS)}),
    ]


def forgotten(world: World) -> Step:
    """Let lou withdraw a claim, after which mia's deposit says that nothing is owed."""
    draft, facts = settle(world)
    facts[-1].data["after"]["owed"] = []
    return draft, facts


LOST: Steps = [accepted, charged, lost]
RECOURSE: dict[str, Steps] = {
    "a chargeback that was lost and that nobody owes": [
        *[accepted, charged, lambda w: lost(w, owed=[])],
    ],
    "a debt that is larger than what was got": [
        *[accepted, charged, lambda w: lost(w, owed=owed(w, TAKEN))],
    ],
    "a debt that waits longer than the policy says": [
        *[accepted, charged, lambda w: lost(w, owed=owed(w, after=2 * DAY_US))],
    ],
    "a debt that is forgotten when a claim is closed": [*LOST, forgotten],
    "recourse before it is due": [*LOST, recovered],
    "recourse by another due time": [*LOST, lambda w: recovered(w, days=0)],
    "recourse for what nobody owes": [lambda w: recovered(w, days=0)],
    "recourse that another party pays": [*LOST, lambda w: recovered(w, payer="ben")],
}
"""All at the time of the market, at which nothing is due: how much is taken is judged by
`tests.unit.proof.test_meaning_recourse`."""
RECOURSE_CASES: dict[str, tuple[str, Steps]] = {
    name: ("deposits", steps) for name, steps in RECOURSE.items()
}
