"""Parties as they stand now: their keys and roles, folded from what is stored.

The writer's memory may lag behind what another process recorded, and so may a view; whoever asks
here sees a revocation as soon as it is committed, by whichever process.
"""

from __future__ import annotations

from typing import Final

from ledger.log.stored_state import checked_entry
from ledger.record.facts import SealedEntry
from ledger.record.reader import LedgerReader
from ledger.rules.evolve import evolve
from ledger.rules.state import Party, Stream
from ledger.rules.text import party_stream

_KEPT: Final = 10_000


class Parties:
    """Reads parties; what was folded is kept, and only continued. Safe to share between threads."""

    def __init__(self, record: LedgerReader) -> None:
        """Read from an open record."""
        self._record = record
        self._kept: dict[str, Stream] = {}

    def of_key(self, key_id: str) -> Party | None:
        """Return the party that has a key, valid or revoked, None when nobody has it.

        Args:
            key_id: 64 hex digits.

        Raises:
            DatabaseUnavailable: It cannot be looked up.
            ReadBackDiffers: A stored entry of the party was changed.

        """
        row = self._record.find_key(bytes.fromhex(key_id))
        party = None if row is None else self.party(row.party)
        # The entries decide, not the row: a key that waits to be added is not the party's yet.
        return None if party is None or party.key(key_id) is None else party

    def party(self, name: str) -> Party | None:
        """Return a party as it stands, None when it is not registered. Raises as `of_key`."""
        stream = party_stream(name)
        kept = self._kept.get(stream)
        if kept is None:
            found = self._fold(None, self._record.stream_entries(stream))
        else:
            rows = self._record.stream_entries(stream, from_seq=kept.head.seq)
            if rows and rows[0].leaf.hex() == kept.head.leaf:
                found = self._fold(kept, rows[1:])
            else:
                # The database was put back to an older state since.
                found = self._fold(None, self._record.stream_entries(stream))
        if found is None or not isinstance(found.state, Party):
            return None
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[stream] = found
        return found.state

    def _fold(self, stream: Stream | None, rows: list[SealedEntry]) -> Stream | None:
        for row in rows:
            stream = evolve(stream, checked_entry(row), command=row.command.hex())
        return stream
