"""Card keys found twice, for tests: what the ledger reports of two cards."""

from __future__ import annotations

from ledger.application import Accepted
from ledger.rules.compose import Draft, compose, uuid7
from ledger.rules.duplicates import report_id
from tests.worlds import World


def report_duplicate(world: World, first: str, second: str) -> Accepted:
    """Let the ledger say that two cards, named in their order, hold one key."""
    named = compose(world.context(), report_id(first, second), report_draft(world, first, second))
    (outcome,) = world.send(world.sign(named))
    if not isinstance(outcome, Accepted):
        raise outcome
    return outcome


def report_draft(world: World, first: str, second: str) -> Draft:
    """Draft that report, with the orders that sold them."""
    cards = [{"item": item, "order": sold_by(world, item)} for item in (first, second)]
    body = {"alert": uuid7(world.clock.now(), world.dice(10)), "cards": cards}
    return Draft("report-duplicate/1", "system", [world.signs("system", "system")], body)


def sold_by(world: World, item: str) -> str | None:
    """Name the order that sold an item last."""
    goods = world.item(item).goods
    assert goods is not None
    return goods.sold
