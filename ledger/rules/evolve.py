"""Evolve: fold one entry into its stream's state. Never refuses.

Specification: docs/spec.md section 10.
"""

from __future__ import annotations

from typing import Final

from ledger.rules.entries import Entry
from ledger.rules.kinds import EVENT_TYPES
from ledger.rules.state import Head, Stream

# Accounts change with every trade, and nobody folds a hundred thousand entries to know one.
_SAID_WHOLE: Final = ("balance/", "credit/", "deposit/")


def said_whole(stream: str) -> bool:
    """Say whether every entry of a stream says all of its state, so that the last is enough."""
    return stream.startswith(_SAID_WHOLE)


def evolve(before: Stream | None, entry: Entry, *, command: str | None) -> Stream:
    """Fold `entry` into the stream it belongs to.

    Args:
        before: The stream before, or None where this entry opens it.
        entry: An entry whose type is registered.
        command: Digest of the command that wrote the entry; None where it was not looked up.

    """
    state = EVENT_TYPES[entry.type].evolve(None if before is None else before.state, entry)
    own = entry.command
    written_by = command if own is None else own.digest
    # Not `Head(...)` and `Stream(...)`: every entry that is read anywhere makes one of each.
    head = tuple.__new__(Head, (entry.index, entry.seq, entry.leaf, written_by))
    return tuple.__new__(Stream, (head, state))
