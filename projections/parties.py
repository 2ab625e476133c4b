"""Parties: their keys and roles, and the key changes that a timer must complete."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from ledger.rules.views import PartyRow
from projections.questions import Answer, ask
from projections.source import Source
from projections.tables import PARTY

DUE_MAX: Final = 1000
"""Most parties that one look at what is due returns."""

_P = PARTY.c


class Parties:
    """Questions about parties."""

    def __init__(self, source: Source) -> None:
        """Take the log whose database holds the views."""
        self._engine = source.engine

    def get(self, party: str) -> Answer[PartyRow]:
        """Return a party, or nothing for one that never registered or was never claimed."""
        size, rows = ask(self._engine, select(PARTY).where(_P.party == party))
        return Answer(size, PartyRow._make(rows[0]) if rows else None)

    def due(self, at: int, *, limit: int = DUE_MAX) -> list[PartyRow]:
        """Return the parties whose key change may be completed at a time, longest due first.

        Args:
            at: Microseconds since 1970-01-01 UTC.
            limit: Most parties.

        """
        waiting = select(PARTY).where(_P.change_due <= at)
        question = waiting.order_by(_P.change_due, _P.head_index).limit(limit)
        rows = [PartyRow._make(row) for row in ask(self._engine, question)[1]]
        return sorted(rows, key=lambda row: (row.change_due, row.head_index))
