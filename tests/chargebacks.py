"""Chargebacks for tests: what a provider takes back of an order's lines, and how that ends."""

from __future__ import annotations

from typing import Any

from ledger.rules.commands import Signer
from ledger.rules.compose import Draft, Sealing, uuid7
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
