"""Between entries and their rows: written once, read so that damage is never blamed on a sender."""

from __future__ import annotations

from ledger.domain.stream import decode
from ledger.proof.hashing import leaf_hash
from ledger.record.errors import EntryDamaged
from ledger.record.facts import KeyRow, SealedEntry
from ledger.rules.entries import Entry
from ledger.rules.errors import RuleError
from ledger.rules.kinds import registered_key


def read_stored(row: SealedEntry) -> Entry:
    """Read a stored entry on which something is about to be decided.

    Raises:
        EntryDamaged: Its bytes do not have its leaf hash, or are no entry.
        UnknownEventType: A later version wrote it.

    """
    if leaf_hash(row.entry) != row.leaf:
        raise EntryDamaged(f"entry {row.index}", "its bytes do not have its leaf hash")
    try:
        return decode(row.entry).entry
    except RuleError as error:
        raise EntryDamaged(f"entry {row.index}", str(error)) from error


def row_of(entry: Entry, command: bytes) -> SealedEntry:
    """Make the row of an entry that the command of this digest wrote."""
    leaf = bytes.fromhex(entry.leaf)
    fields = (entry.index, entry.stream, entry.seq, entry.type, leaf, command, entry.raw)
    # Not `SealedEntry(...)`: every entry that is written makes one.
    return tuple.__new__(SealedEntry, fields)


def key_row_of(entry: Entry) -> KeyRow | None:
    """Make the row of the public key that an entry registers, if it does."""
    found = registered_key(entry)
    return None if found is None else KeyRow(bytes.fromhex(found.id), found.party, entry.index)
