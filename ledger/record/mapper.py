"""Between domain events and stored events: the bytes pass through untouched.

eventsourcing's own mapper resolves a stored topic to a Python path and rebuilds the object from
it. Here a topic is an entry type and names no code; what decodes an entry is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

EventDecoder = Callable[[StoredEvent], DomainEventProtocol[str]]


class SealedEvent(Protocol):
    """What the mapper needs of a domain event: it holds its own final bytes."""

    @property
    def originator_id(self) -> str:
        """Stream name."""
        ...

    @property
    def originator_version(self) -> int:
        """Position in the stream, counted from 1."""
        ...

    @property
    def type(self) -> str:
        """Entry type."""
        ...

    @property
    def raw(self) -> bytes:
        """Entry bytes."""
        ...


class EntryTranscoder(Transcoder):
    """Entries are bytes already: anything else is refused, nothing is re-encoded."""

    def encode(self, obj: Any) -> bytes:
        """Return the bytes given.

        Raises:
            TypeError: It is not bytes.

        """
        if not isinstance(obj, bytes):
            message = f"only entry bytes are recorded, not {type(obj).__name__}"
            raise TypeError(message)
        return obj

    def decode(self, data: bytes) -> bytes:
        """Return the bytes given."""
        return data


class EntryMapper(Mapper[str]):
    """Maps a sealed event to its stored form and back, without touching the bytes."""

    def __init__(self, decode: EventDecoder) -> None:
        super().__init__(EntryTranscoder())
        self._decode = decode

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the stored form: topic = entry type, state = entry bytes."""
        event = cast("SealedEvent", domain_event)
        return StoredEvent(event.originator_id, event.originator_version, event.type, event.raw)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Return the domain event that the given decoder builds; no topic is resolved."""
        return self._decode(stored_event)
