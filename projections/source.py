"""What projections read: the log, in order, and the database that holds it.

Stored bytes were read strictly before they were appended and are read strictly again by every
audit. Here they are only parsed: a view can be wrong no longer than until the next audit or
rebuild, and a strict reading takes fifteen times as long.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Engine

from ledger.domain.stream import UnknownEventType
from ledger.log.database import SealedEntry
from ledger.rules.canonical import loads_plainly
from ledger.rules.commands import Command, Signer
from ledger.rules.entries import Entry, entry_of
from ledger.rules.errors import Malformed
from ledger.rules.kinds import EVENT_TYPES
from ledger.rules.text import time_us
from projections.errors import LogUnreadable


class Source(Protocol):
    """The log as `ledger.log.reader.LogReader` gives it."""

    @property
    def engine(self) -> Engine:
        """The database of the log."""

    def size(self) -> int:
        """Size of the log."""

    def entry(self, index: int) -> SealedEntry | None:
        """Return the entry at an index, or None."""

    def entries(self, start: int, stop: int) -> list[SealedEntry]:
        """Return the entries with `start <= index < stop`, in order."""

    def stream_entries(self, stream: str, lte_index: int | None = None) -> list[SealedEntry]:
        """Return the entries of a stream up to an index, in order."""

    def last_of_stream(self, stream: str, lte_index: int | None = None) -> SealedEntry | None:
        """Return the newest entry of a stream up to an index, or None."""


def read_stored(sealed: SealedEntry) -> Entry:
    """Parse a stored entry, without checking what an audit checks.

    Args:
        sealed: The row.

    Raises:
        UnknownEventType: This version does not know its type.
        LogUnreadable: The bytes are no entry, or that of another place.

    """
    document = loads_plainly(sealed.entry)
    if document is None:
        raise LogUnreadable(sealed.index, "its bytes are no JSON")
    try:
        entry = _entry(sealed, document)
    except (Malformed, KeyError, TypeError, AttributeError) as error:
        reason = f"its bytes are no entry ({type(error).__name__})"
        raise LogUnreadable(sealed.index, reason) from error
    if (entry.index, entry.stream, entry.seq) != (sealed.index, sealed.stream, sealed.seq):
        raise LogUnreadable(sealed.index, f"its bytes say entry {entry.index} of {entry.stream}")
    if entry.type not in EVENT_TYPES:
        raise UnknownEventType(entry.type, index=entry.index)
    return entry


def _entry(sealed: SealedEntry, document: dict[str, Any]) -> Entry:
    carried = document.get("command")
    command = None if carried is None else _command(sealed, carried)
    at = time_us(document["at"], "entry.at")
    return entry_of(sealed.entry, sealed.leaf.hex(), document, command, at=at)


def _command(sealed: SealedEntry, document: dict[str, Any]) -> Command:
    signers = [(one["party"], one["role"], one["key"]) for one in document["signers"]]
    fields = (
        # Nothing here signs or hashes it.
        b"",
        document,
        sealed.command.hex(),
        document["id"],
        document["by"],
        document["kind"],
        document["log"],
        time_us(document["at"], "command.at"),
        time_us(document["not_after"], "command.not_after"),
        tuple([tuple.__new__(Signer, signer) for signer in signers]),
        document["body"],
        False,
    )
    # Not `Command(...)`: calling the type once more costs as much as all that is put in.
    return tuple.__new__(Command, fields)
