"""Public keys by their ids, for checking signatures away from the writer.

A key id is the hash of the key, so that what was found once stays true: nothing here ever has to be
forgotten, except for room. Whether a key is valid is not asked here.
"""

from __future__ import annotations

from typing import Final

from ledger.record.reader import LedgerReader
from ledger.record.stored import read_stored
from ledger.rules.kinds import registered_key
from ledger.rules.text import b64decode

_KEYS_KEPT: Final = 100_000


class KeyDirectory:
    """Keys that are registered in the log; may be asked by many threads."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader
        self._kept: dict[str, tuple[str, bytes]] = {}

    def find(self, key_id: str) -> tuple[str, bytes] | None:
        """Return algorithm and raw key of a registered key, None when there is none yet.

        Args:
            key_id: 64 hex digits.

        Raises:
            DatabaseUnavailable: It cannot be looked up.
            EntryDamaged: The entry that registered it was changed.

        """
        found = self._kept.get(key_id)
        if found is not None:
            return found
        found = self._look_up(key_id)
        if found is not None:
            if len(self._kept) >= _KEYS_KEPT:
                self._kept.clear()
            self._kept[key_id] = found
        return found

    def _look_up(self, key_id: str) -> tuple[str, bytes] | None:
        row = self._reader.find_key(bytes.fromhex(key_id))
        stored = None if row is None else self._reader.entry_at(row.index)
        registered = None if stored is None else registered_key(read_stored(stored))
        if registered is None or registered.id != key_id:
            return None
        return registered.alg, b64decode(registered.public, field="key.public")
