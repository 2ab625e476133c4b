"""What an operator could write of card keys found twice if the rules said yes.

In the market `mias/paid-12` and `mias/paid-16` are reported already; `mias/paid-13` and `-14` were
sold by two orders of lou's, and `mias/paid-20` is awaited by his last one.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.rules.compose import Draft
from ledger.rules.entries import read_entry
from ledger.rules.model import Fact
from tests.duplicates import report_draft, sold_by
from tests.orders import order_of
from tests.tamper.escrow_cases import AWAITED, deliver
from tests.tamper.order_cases import FREE, place, take_back
from tests.tamper.order_cases import card as fresh_card
from tests.tamper.trade_cases import Step, card
from tests.worlds import World

ONE, TWO, AWAITED_CARD = "mias/paid-13", "mias/paid-14", "mias/paid-20"
REPORTED = ("mias/paid-12", "mias/paid-16")
STRANGE = "mias/card-9"


def raised(world: World) -> str:
    """The number of the alert that the story raised."""
    entries = [read_entry(row.entry) for row in world.reader.entries(0, world.size())]
    return [each.stream[6:] for each in entries if each.type == "duplicate-reported/1"][-1]


def report(  # noqa: PLR0913 - each is a part of what is reported
    world: World,
    first: str = ONE,
    second: str = TWO,
    *,
    alert: str | None = None,
    orders: tuple[str | None, str | None] | None = None,
    flags: tuple[str, ...] | None = None,
    more_lines: int = 0,
) -> Step:
    """Report two items as one key; what is named here stands there instead of the truth."""
    sold = orders or tuple(sold_or_none(world, item) for item in (first, second))
    cards = [{"item": item, "order": order} for item, order in zip((first, second), sold)]  # noqa: B905
    draft = report_draft(world, *REPORTED)
    name = alert or draft.body["alert"]
    body = {"alert": name, "cards": cards}
    facts = [Fact(f"alert/{name}", "duplicate-reported/1", {})]
    for item in (first, second) if flags is None else flags:
        facts.append(Fact(f"item/{item}", "item-flagged/1", {"alert": name}))
    for order in dict.fromkeys(each for each in sold if each is not None):
        names = [line.item for line in order_of(world, order).lines]
        lines = [number for number, item in enumerate(names, 1) if item in (first, second)]
        data = {"alert": name, "lines": lines or [1]}
        facts.append(Fact(f"order/{order}", "order-flagged/1", data))
    if more_lines:
        last = facts[-1]
        facts[-1] = last._replace(data={**last.data, "lines": [more_lines]})
    return Draft(draft.kind, draft.by, draft.signers, body), facts


def sold_or_none(world: World, item: str) -> str | None:
    """Name the order that sold an item, if the log has the item and one did."""
    return sold_by(world, item) if world.ledger.stream(f"item/{item}") else None


CASES: dict[str, list[Callable[[World], Step]]] = {
    "a pair of cards that is reported twice": [lambda w: report(w, *REPORTED)],
    "a card that is reported as its own double": [lambda w: report(w, ONE, ONE)],
    "an alert that is raised twice": [lambda w: report(w, alert=raised(w))],
    "a report of things that are no cards": [lambda w: report(w, "mias/blade", "mias/sword")],
    "a report of cards of two products": [
        lambda w: card(w, STRANGE, product="mias"),
        lambda w: report(w, STRANGE, ONE),
    ],
    "a report that keeps quiet about who sold a card": [
        lambda w: report(w, orders=(None, sold_by(w, TWO)))
    ],
    "a report that blames another order": [
        lambda w: report(w, orders=(sold_by(w, TWO), sold_by(w, TWO)))
    ],
    "a report that flags the line of another card": [lambda w: report(w, more_lines=4)],
    "a report that flags another item": [lambda w: report(w, flags=(ONE, "mias/card-1"))],
    "a report that flags one item alone": [
        lambda w: report(w, flags=(ONE,)),
        lambda w: take_back(w, "mias/card-1"),
    ],
    "a flagged card that is delivered": [
        lambda w: report(w, ONE, AWAITED_CARD),
        lambda w: deliver(w, AWAITED),
    ],
    "a flagged card that is ordered": [
        fresh_card,
        lambda w: report(w, FREE, ONE),
        lambda w: place(w, FREE),
    ],
}
DUPLICATE_CASES = {name: ("duplicates", steps) for name, steps in CASES.items()}
