"""One stream of the ledger as an event-sourced aggregate.

The domain event *is* the sealed entry: it holds the entry's bytes and their reading, and its
`mutate` calls the pure evolve function. Ids, times and topics come with the entry; the library's
own clock, random ids and Python-path topics are never used. Specification: docs/spec.md section 10.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.rules.entries import Entry, read_entry
from ledger.rules.evolve import evolve
from ledger.rules.kinds import EVENT_TYPES
from ledger.rules.state import Stream


class UnknownEventType(Exception):
    """A stored entry has a type that this version does not know; nothing is skipped silently."""

    def __init__(self, type_: str, *, index: int) -> None:
        super().__init__(f"entry {index} has the unknown type {type_}")
        self.type = type_
        self.index = index


@dataclass(frozen=True, slots=True)
class LedgerStream:
    """A stream as replayed: `id` is its name, `version` its length."""

    id: str
    version: int
    stream: Stream


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded event: one sealed entry. `originator_version` is seq + 1."""

    originator_id: str
    originator_version: int
    entry: Entry

    @property
    def type(self) -> str:
        """The entry's type, which is the event's topic."""
        return self.entry.type

    @property
    def raw(self) -> bytes:
        """The entry's bytes, as stored and hashed."""
        return self.entry.raw

    def mutate(self, aggregate: LedgerStream | None) -> LedgerStream:
        """Fold this event into its stream; never refuses."""
        before = None if aggregate is None else aggregate.stream
        after = evolve(before, self.entry, command=None)
        return LedgerStream(self.originator_id, self.originator_version, after)


def recorded(entry: Entry) -> Recorded:
    """Wrap a sealed entry as a domain event.

    Raises:
        UnknownEventType: The type is not in the closed registry.

    """
    if entry.type not in EVENT_TYPES:
        raise UnknownEventType(entry.type, index=entry.index)
    return Recorded(entry.stream, entry.seq + 1, entry)


def decode(raw: bytes) -> Recorded:
    """Read a stored entry as a domain event.

    Raises:
        Malformed: The bytes are not an entry.
        UnknownEventType: The type is not in the closed registry.

    """
    return recorded(read_entry(raw))
