"""What the orders of an item say of its sales: from which listing, and whether one is disputed.

An order's stream is as long as what became of its own lines, and a listing is found by one descent
of an index: nothing here grows with the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.log.errors import EntryMissing
from ledger.log.reader import LogReader
from ledger.record.stored import read_stored
from ledger.rules.evolve import evolve
from ledger.rules.listings import listing_stream
from ledger.rules.order_state import Line
from ledger.rules.orders import as_order, order_stream
from ledger.rules.state import Stream
from ledger.rules.views import HistoryRow

SOLD = "item-sold/1"


class Deal(NamedTuple):
    """What one order says of an item as of an entry: its line, as it was bought and as it stands.

    Attributes:
        order: The number of the order.
        number: Of the line, from 1.
        line: Its state.
        currency: Of its price.
        promises: Digest of what the listing promised when it was ordered.

    """

    order: str
    number: int
    line: Line
    currency: str
    promises: str

    @property
    def price(self) -> dict[str, str]:
        """What it cost."""
        return {"amount": str(self.line.price), "currency": self.currency}

    def document(self) -> dict[str, Any]:
        """Write what the item was bought as."""
        return {
            "labels": list(self.line.labels),
            "line": self.number,
            "listing": self.line.listing,
            "merchant": self.line.merchant,
            "order": self.order,
            "promises": self.promises,
            "snapshot": self.line.snapshot,
        }


def deals_of(
    reader: LogReader, rows: Sequence[HistoryRow], item: str, index: int
) -> dict[int, Deal]:
    """Read the orders that rows of an item's history name, as they stood after an entry.

    Args:
        reader: The log.
        rows: Of the types `item-reserved/1` and `item-sold/1` alone.
        item: `NS/ID`.
        index: Of the entry.

    Returns:
        By the index of the row's entry.

    Raises:
        EntryMissing: Storage lacks an entry.
        EntryDamaged: One was changed.

    """
    named = {row.entry_index: reader.written(row.entry_index) for row in rows}
    orders = {place: entry.data["order"] for place, entry in named.items()}
    deals = {order: _deal(reader, order, item, index) for order in set(orders.values())}
    return {place: deals[order] for place, order in orders.items()}


def _deal(reader: LogReader, order: str, item: str, index: int) -> Deal:
    found: Stream | None = None
    placed = index
    for stored in reader.stream_entries(order_stream(order), lte_index=index):
        entry = read_stored(stored)
        placed = min(placed, entry.index)
        found = evolve(found, entry, command=stored.command.hex())
    state = as_order(found.state if found else None)
    number, line = next(
        (number, line) for number, line in enumerate(state.lines, 1) if line.item == item
    )
    return Deal(order, number, line, state.currency, _promises(reader, line.listing, placed))


def _promises(reader: LogReader, listing: str, placed: int) -> str:
    """Read what a listing promised when an order was placed, which named it as it stood."""
    stored = reader.last_of_stream(listing_stream(listing), lte_index=placed)
    if stored is None:
        raise EntryMissing(placed)
    command = read_stored(stored).command
    assert command is not None  # noqa: S101 - a listing that is not ended was published last
    return str(command.body["promises"])
