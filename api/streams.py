"""A stream as it is stored now, whichever process wrote it last."""

from __future__ import annotations

from api.rooms import Rooms
from ledger.rules.entries import read_entry
from ledger.rules.evolve import evolve
from ledger.rules.state import Stream


def stored_stream(rooms: Rooms, name: str) -> Stream | None:
    """Fold a stream's entries from the database, or return None where there are none."""
    found: Stream | None = None
    for row in rooms.house.reader.stream_entries(name):
        found = evolve(found, read_entry(row.entry), command=row.command.hex())
    return found
