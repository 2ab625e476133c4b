"""What happened to an item, in order: on whose word, at which price, with every gap.

Pages are pinned to a size of the log, so that turning them shows one moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, select

from ledger.rules.activations import SUCCESS
from ledger.rules.views import HistoryRow
from projections.questions import ask, check_reached
from projections.source import Source
from projections.tables import HISTORY

ROWS_MAX: Final = 1000
"""Most rows on a page."""

_H = HISTORY.c


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one item, pinned to `size`; the next page begins at index `following`, if any."""

    size: int
    rows: tuple[HistoryRow, ...]
    following: int | None


class History:
    """Questions about what happened to items."""

    def __init__(self, source: Source) -> None:
        """Take the log whose database holds the views."""
        self._engine = source.engine

    def page(
        self,
        item: str,
        *,
        start: int = 0,
        limit: int = 100,
        size: int | None = None,
        until: int | None = None,
    ) -> Page:
        """Return a page of an item's history, oldest first.

        Args:
            item: `NS/ID`; an unknown one has no rows.
            start: Index of the log to begin at: `following` of the page before.
            limit: Most rows, 1 to `ROWS_MAX`; more are cut to it.
            size: Show what the first `size` entries of the log say; None for all that the views
                show, which the page then names. `N + 1` is the history after entry N.
            until: Leave out what is later than this time of the ledger, in microseconds.

        Raises:
            ViewBehind: The views have not come to `size`.

        """
        most = max(1, min(limit, ROWS_MAX))
        question = select(HISTORY).where(_H.item == item, _H.entry_index >= start)
        if size is not None:
            question = question.where(_H.entry_index < size)
        # HISTORY's first column is the item, never NULL.
        reached, found = ask(self._engine, question.order_by(_H.entry_index).limit(most + 1))
        if size is not None:
            check_reached(size=reached, wanted=size)
        rows = sorted(map(HistoryRow._make, found), key=lambda row: row.entry_index)
        if until is not None:
            # Times never decrease with the index, so whoever is too late is last.
            rows = [row for row in rows if row.at <= until]
        following = rows[most].entry_index if len(rows) > most else None
        return Page(reached if size is None else size, tuple(rows[:most]), following)

    def moves(self, item: str, *, size: int, limit: int = ROWS_MAX) -> Page:
        """Return a page of what gave an item its owners, oldest first: its first entry, each move.

        Args:
            item: `NS/ID`; an unknown one has no rows.
            size: What the first `size` entries of the log say.
            limit: Most rows, 1 to `ROWS_MAX`; more are cut to it.

        Raises:
            ViewBehind: The views have not come to `size`.

        """
        most = max(1, min(limit, ROWS_MAX))
        question = _moves(item, size).order_by(_H.entry_index).limit(most + 1)
        reached, found = ask(self._engine, question)
        check_reached(size=reached, wanted=size)
        rows = sorted(map(HistoryRow._make, found), key=lambda row: row.entry_index)
        following = rows[most].entry_index if len(rows) > most else None
        return Page(size, tuple(rows[:most]), following)

    def last_freeze(self, item: str, *, size: int) -> HistoryRow | None:
        """Return how an item was last frozen within the first `size` entries of the log.

        Raises:
            ViewBehind: The views have not come to `size`.

        """
        return self._last(_of_type(item, size, "item-frozen/1"), size)

    def last_flag(self, item: str, *, size: int) -> HistoryRow | None:
        """Return how an item was last flagged as a duplicate, likewise.

        Raises:
            ViewBehind: The views have not come to `size`.

        """
        return self._last(_of_type(item, size, "item-flagged/1"), size)

    def last_order(self, item: str, *, size: int) -> HistoryRow | None:
        """Return how an item was last reserved within the first `size` entries of the log.

        Raises:
            ViewBehind: The views have not come to `size`.

        """
        return self._last(_of_type(item, size, "item-reserved/1"), size)

    def activation(self, item: str, *, size: int) -> HistoryRow | None:
        """Return how an item was activated, or else how that failed last, likewise.

        Raises:
            ViewBehind: The views have not come to `size`.

        """
        question = _of_type(item, size, "activation-recorded/1")
        return self._last(question.order_by((_H.ground == SUCCESS).desc()), size)

    def _last(self, question: Select[Any], size: int) -> HistoryRow | None:
        reached, found = ask(self._engine, question.order_by(_H.entry_index.desc()).limit(1))
        check_reached(size=reached, wanted=size)
        return HistoryRow._make(found[0]) if found else None


def _of_type(item: str, size: int, type_: str) -> Select[Any]:
    return select(HISTORY).where(_H.item == item, _H.entry_index < size, _H.type == type_)


def _moves(item: str, size: int) -> Select[Any]:
    """Select what names a receiver and is no offer."""
    return select(HISTORY).where(
        _H.item == item,
        _H.entry_index < size,
        _H.to_party.is_not(None),
        _H.type != "transfer-offered/1",
    )
