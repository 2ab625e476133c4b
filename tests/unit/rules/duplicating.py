"""Card keys found twice: what the ledger reports of two cards, in a log of the tests."""

from __future__ import annotations

from typing import Any

from ledger.rules.commands import Command
from ledger.rules.compose import uuid7
from ledger.rules.duplicates import report_id
from ledger.rules.state import Item
from tests.unit.rules.ordering import ITEMS, run
from tests.unit.rules.small import Small

ALERTS = [uuid7(11, bytes([number] * 10)) for number in range(3)]
FIRST, SECOND, THIRD = ITEMS


def sold_by(small: Small, item: str) -> str | None:
    """Name the order that sold an item last; None for what is not there."""
    found = small.streams.get(f"item/{item}")
    if found is None:
        return None
    assert isinstance(found.state, Item)
    return None if found.state.goods is None else found.state.goods.sold


def reporting(  # noqa: PLR0913 - each is a part of what is reported
    small: Small,
    first: str = FIRST,
    second: str = SECOND,
    *,
    alert: int = 0,
    named: str | None = None,
    by: tuple[str, str] = ("system", "system"),
    orders: tuple[str | None, str | None] | None = None,
) -> Command:
    """Write a report of two items; `orders` stand in it instead of those that sold them."""
    sold = orders or (sold_by(small, first), sold_by(small, second))
    cards = [
        {"item": item, "order": order} for item, order in zip((first, second), sold, strict=True)
    ]
    draft = small.draft("report-duplicate/1", by, alert=ALERTS[alert], cards=cards)
    return small.command(draft, identifier=named or report_id(first, second))


def reported(small: Small, first: str, second: str, **how: Any) -> None:
    """Report two items."""
    run(small, reporting(small, first, second, **how))


def duplicated(small: Small) -> None:
    """In the log of all kinds, report a card that was sold and one that was not delivered."""
    reported(small, "cards/r0", "cards/r3")
