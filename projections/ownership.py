"""Who holds an item, and whether it is frozen: now, after an entry, at a time.

Each answer is one row of half-open intervals: the one that holds at that point. None is answered
for an item that the log did not know yet.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from ledger.rules.views import OwnershipRow
from projections.questions import Answer, ask, check_reached
from projections.source import Source
from projections.tables import OWNERSHIP

_O = OWNERSHIP.c


class Ownership:
    """Questions about who holds items."""

    def __init__(self, source: Source) -> None:
        """Take the log whose database holds the views."""
        self._engine = source.engine

    def now(self, item: str) -> Answer[OwnershipRow]:
        """Return who holds an item as far as the views have come."""
        return self._last(_rows_of(item).order_by(_O.from_index.desc()))[1]

    def after(self, item: str, index: int) -> Answer[OwnershipRow]:
        """Return who held an item right after the entry at `index`.

        Raises:
            ViewBehind: The views have not reached that entry.

        """
        up_to = _rows_of(item).where(_O.from_index <= index).order_by(_O.from_index.desc())
        size, answer = self._last(up_to)
        check_reached(size=size, wanted=index + 1)
        return answer

    def at_time(self, item: str, at: int) -> Answer[OwnershipRow]:
        """Return who held an item at a time of the ledger.

        Args:
            item: `NS/ID`.
            at: Microseconds since 1970-01-01 UTC; entries of this very time count.

        """
        up_to = _rows_of(item).where(_O.from_at <= at)
        return self._last(up_to.order_by(_O.from_at.desc(), _O.from_index.desc()))[1]

    def at_source_time(self, item: str, at: int) -> Answer[OwnershipRow]:
        """Return who held an item after its last imported sale at or before a time of the source.

        What happened on the ledger itself has no source time and plays no part.

        Args:
            item: `NS/ID`.
            at: Microseconds since 1970-01-01 UTC.

        """
        up_to = _rows_of(item).where(_O.source_time <= at)
        return self._last(up_to.order_by(_O.source_time.desc(), _O.from_index.desc()))[1]

    def _last(self, question: Select[Any]) -> tuple[int, Answer[OwnershipRow]]:
        size, rows = ask(self._engine, question.limit(1))
        return size, Answer(size, OwnershipRow._make(rows[0]) if rows else None)


def _rows_of(item: str) -> Select[Any]:
    return select(OWNERSHIP).where(_O.item == item)
