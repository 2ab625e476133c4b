"""Card keys found twice: what the ledger reports of two items that hold one key, and to whom.

What the registry finds in the log is reported as `report-duplicate/1`, once for each pair, after
the registry has let go of its index. An upload that is refused is no entry of the log, and so no
report: staff are told of it. Decision: docs/adr/0045.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from api.desk import Hand, Order, send
from api.house import House
from api.timers import SYSTEM
from ledger.registry import Double
from ledger.rules.compose import ID_RANDOM_BYTES, uuid7
from ledger.rules.duplicates import report_id
from ledger.rules.errors import CommandConflict
from ledger.rules.items import item_stream
from ledger.rules.state import Item
from ledger.rules.trade_errors import ItemNotSold

_KIND: Final = "report-duplicate/1"
_TYPE: Final = "duplicate-reported/1"
_TRIES: Final = 5
_CHUNK: Final = 500


class Report(NamedTuple):
    """What was reported: two items, the orders that had sold them, and under which alert."""

    at: int
    alert: str
    cards: tuple[tuple[str, str | None], ...]

    def document(self) -> dict[str, str | None]:
        """Write it as JSON, but for the time."""
        (item, order), (other, other_order) = self.cards
        named = {"item": item, "order": order, "other": other, "other_order": other_order}
        return {"alert": self.alert, **named}


def report_doubles(house: House, doubles: Iterable[Double]) -> list[Report]:
    """Report each pair that the registry found, unless it was reported before.

    Args:
        house: Open for writing; its registry is at rest.
        doubles: As `Filled` names them.

    Returns:
        The report of each pair, in the order of their items; also of one that was there before.

    Raises:
        KeyFileInvalid: The key of `system` is not at hand.
        RuleError: The ledger refuses a report.
        DatabaseUnavailable: What is left is reported by the next `cards reindex`.

    """
    pairs = sorted({(min(each), max(each)) for each in doubles})
    return [_report(house, *pair) for pair in pairs]


def _report(house: House, first: str, second: str, *, tries: int = _TRIES) -> Report:
    named = report_id(first, second)
    known = house.recorder.find_command(SYSTEM, named)
    if known is not None:
        return _read(house, known.index)
    cards = [{"item": item, "order": sold_by(house, item)} for item in (first, second)]
    alert = uuid7(house.clock.now(), house.random(ID_RANDOM_BYTES))
    hands = [Hand(SYSTEM, SYSTEM, house.signer(SYSTEM))]
    order = Order(_KIND, hands, {"alert": alert, "cards": cards}, command_id=named)
    try:
        return _read(house, send(house, order).index)
    except (ItemNotSold, CommandConflict):
        # One was sold meanwhile, or another process was first.
        if tries == 1:
            raise
        return _report(house, first, second, tries=tries - 1)


def sold_by(house: House, item: str) -> str | None:
    """Name the order that sold an item last, if one did."""
    found = house.ledger.stream(item_stream(item))
    goods = found.state.goods if found is not None and isinstance(found.state, Item) else None
    return None if goods is None else goods.sold


def reports(house: House) -> Iterator[Report]:
    """Yield what was reported, oldest first."""
    start = 0
    while found := house.recorder.entries_of_type(_TYPE, start, limit=_CHUNK):
        yield from (_read(house, each.index) for each in found)
        start = found[-1].index + 1


def _read(house: House, index: int) -> Report:
    entry = house.reader.written(index)
    assert entry.command is not None  # noqa: S101 - it carries the command that it was found by
    body = entry.command.body
    cards = tuple((card["item"], card["order"]) for card in body["cards"])
    return Report(entry.at, body["alert"], cards)
