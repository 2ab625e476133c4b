"""The log's own database, for projections that keep their tables in it.

Rows and position of a view must move in one transaction, so they live beside the log; the storage
room itself stays out of the projections' reach.
"""

from __future__ import annotations

from eventsourcing.persistence import IntegrityError

from ledger.record.database import reading, writing
from ledger.record.driving import change
from ledger.record.facts import SealedEntry
from ledger.record.inserting import Change, insert_rows, update_rows

__all__ = [
    "Change",
    "IntegrityError",
    "SealedEntry",
    "change",
    "insert_rows",
    "reading",
    "update_rows",
    "writing",
]
