"""What projections read: the log, in order, and the database that holds it.

Stored bytes were read strictly before they were appended and are read strictly again by every
audit. Here they are only parsed: a view can be wrong no longer than until the next audit or
rebuild, and a strict reading takes fifteen times as long.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Engine

from ledger.domain.stream import UnknownEventType
from ledger.log.database import SealedEntry
from ledger.rules.commands import Command, Signer
from ledger.rules.entries import Entry
from ledger.rules.kinds import EVENT_TYPES
from projections.errors import LogUnreadable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


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


def read_stored(sealed: SealedEntry) -> Entry:
    """Parse a stored entry, without checking what an audit checks.

    Args:
        sealed: The row.

    Raises:
        UnknownEventType: This version does not know its type.
        LogUnreadable: The bytes are no entry, or that of another place.

    """
    try:
        document = json.loads(sealed.entry)
        entry = _entry(sealed, document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"its bytes are no entry ({type(error).__name__})"
        raise LogUnreadable(sealed.index, reason) from error
    if (entry.index, entry.stream, entry.seq) != (sealed.index, sealed.stream, sealed.seq):
        raise LogUnreadable(sealed.index, f"its bytes say entry {entry.index} of {entry.stream}")
    if entry.type not in EVENT_TYPES:
        raise UnknownEventType(entry.type, index=entry.index)
    return entry


def _entry(sealed: SealedEntry, document: dict[str, Any]) -> Entry:
    carried = document.get("command")
    return Entry(
        raw=sealed.entry,
        leaf=sealed.leaf.hex(),
        document=document,
        index=document["index"],
        stream=document["stream"],
        seq=document["seq"],
        prev=document["prev"],
        type=document["type"],
        log=document["log"],
        at=_time(document["at"]),
        data=document["data"],
        command=None if carried is None else _command(sealed, carried),
        sigs=() if carried is None else tuple(document["sigs"]),
        effects=0 if carried is None else document["effects"],
        cause=document["cause"] if carried is None else None,
        effect=document["effect"] if carried is None else 0,
    )


def _command(sealed: SealedEntry, document: dict[str, Any]) -> Command:
    return Command(
        # Nothing here signs or hashes it.
        raw=b"",
        document=document,
        digest=sealed.command.hex(),
        id=document["id"],
        by=document["by"],
        kind=document["kind"],
        log=document["log"],
        at=_time(document["at"]),
        not_after=_time(document["not_after"]),
        signers=tuple(Signer(**signer) for signer in document["signers"]),
        body=document["body"],
    )


def _time(text: str) -> int:
    """Read a protocol time as microseconds."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
