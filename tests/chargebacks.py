"""Chargebacks for tests: what a provider takes back of an order's lines, and how that ends."""

from __future__ import annotations

from typing import Any

from ledger.application import Accepted
from ledger.rules.commands import Signer
from ledger.rules.compose import Draft, Sealing, compose, uuid7
from ledger.rules.digests import timer_id
from ledger.rules.text import format_time
from tests.deposits import deposit_of
from tests.orders import order_of
from tests.worlds import World


def chargeback_draft(  # noqa: PLR0913 - each is a part of what is said
    world: World,
    order: str,
    case: str,
    stage: str,
    parts: dict[int, int] | None = None,
    *,
    by: Signer | None = None,
    provider: str = "alipay",
) -> Draft:
    """Draft what a cashier says of a chargeback; `parts` are amounts by line."""
    signer = by or world.signs("kay", "cashier")
    lines = [{"amount": str(amount), "line": line} for line, amount in (parts or {}).items()]
    body: dict[str, Any] = {"case": case, "lines": lines, "order": order}
    seal = [Sealing("transaction", order_of(world, order).buyer, world.dice(32), "CB-1")]
    full = {**body, "provider": provider, "stage": stage}
    return Draft("record-chargeback/1", signer.party, [signer], full, seal=seal)


def charge_back(world: World, order: str, parts: dict[int, int], **how: Any) -> str:
    """Let a provider take amounts back, and return the number of the case."""
    case = uuid7(world.clock.now(), world.dice(10))
    world.submit(chargeback_draft(world, order, case, "received", parts, **how))
    return case


def end_chargeback(world: World, order: str, case: str, stage: str, **how: Any) -> None:
    """Let a case be won or lost."""
    world.submit(chargeback_draft(world, order, case, stage, **how))


def recovery_draft(world: World, merchant: str, *, currency: str = "CNY", due: str = "") -> Draft:
    """Draft that what a merchant owes is taken from it, by the system, when it is due or `due`."""
    signer = world.signs("system", "system")
    when = due or next(
        format_time(each.due)
        for each in deposit_of(world, merchant).owed
        if each.currency == currency
    )
    body = {"currency": currency, "due": when, "merchant": merchant}
    return Draft("recover-chargeback/1", signer.party, [signer], body)


def recover(world: World, merchant: str) -> Accepted:
    """Let it be taken."""
    draft = recovery_draft(world, merchant)
    rule = f"chargeback-owed/{draft.body['currency']}"
    identifier = timer_id(f"deposit/{merchant}", rule, draft.body["due"])
    (outcome,) = world.send(world.sign(compose(world.context(), identifier, draft)))
    if not isinstance(outcome, Accepted):
        raise outcome
    return outcome
