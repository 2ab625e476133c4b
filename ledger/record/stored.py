"""Stored entries, read so that damage is never taken for what somebody sent."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from ledger.domain.stream import decode
from ledger.record.errors import EntryDamaged
from ledger.record.facts import SealedEntry
from ledger.rules.entries import Entry
from ledger.rules.errors import RuleError

_LEAF_PREFIX: Final = b"\0"


def read_stored(row: SealedEntry) -> Entry:
    """Read a stored entry on which something is about to be decided.

    Raises:
        EntryDamaged: Its bytes do not have its leaf hash, or are no entry.
        UnknownEventType: A later version wrote it.

    """
    if sha256(_LEAF_PREFIX + row.entry).digest() != row.leaf:
        raise EntryDamaged(f"entry {row.index}", "its bytes do not have its leaf hash")
    try:
        return decode(row.entry).entry
    except RuleError as error:
        raise EntryDamaged(f"entry {row.index}", str(error)) from error
