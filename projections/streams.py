"""The state of every stream just before the entry that is folded next.

What was folded last is kept; what is not at hand is replayed from the log, one stream at a time. A
kept state counts only if it stands right before the entry, so nothing must be dropped when another
process moves the views on.
"""

from __future__ import annotations

from typing import Final

from ledger.rules.entries import Entry
from ledger.rules.evolve import evolve, said_whole
from ledger.rules.state import Stream
from projections.errors import LogUnreadable
from projections.source import Source, read_stored

KEPT: Final = 50_000
"""So many streams, those folded last, are in memory in any case; at most twice as many."""


class Streams:
    """Streams and causes, as of the entry that was folded last."""

    def __init__(self, source: Source, *, kept: int = KEPT) -> None:
        """Take the log, and how many of the streams folded last to keep in any case."""
        self._source = source
        # Two generations: to keep every stream in order of use costs four times as much.
        self._kept = kept
        self._streams: dict[str, Stream] = {}
        self._older: dict[str, Stream] = {}
        self._cause: Entry | None = None

    def before(self, entry: Entry) -> Stream | None:
        """Return the stream as it stood before an entry; None where the entry opens it.

        Raises:
            LogUnreadable: Entries of the stream are missing.

        """
        if entry.seq == 0:
            return None
        found = self._streams.get(entry.stream) or self._older.get(entry.stream)
        if found is None or found.head.seq != entry.seq - 1:
            found = self._replay(entry)
        return found

    def cause(self, entry: Entry) -> Entry | None:
        """Return the entry that carries an effect's command; None for any other entry.

        Raises:
            LogUnreadable: It is not where it must be.

        """
        if entry.cause is None:
            self._cause = entry
            return None
        if self._cause is None or self._cause.leaf != entry.cause:
            index = entry.index - entry.effect
            sealed = self._source.entry(index) if index >= 0 else None
            self._cause = read_stored(sealed) if sealed is not None else None
        if self._cause is None or self._cause.leaf != entry.cause or self._cause.command is None:
            raise LogUnreadable(entry.index, "its cause is not the entry before its effects")
        return self._cause

    def keep(self, name: str, stream: Stream) -> None:
        """Remember a stream as it stands now."""
        self._streams[name] = stream
        if len(self._streams) >= self._kept:
            self._streams, self._older = {}, self._streams

    def _replay(self, entry: Entry) -> Stream:
        stream: Stream | None = None
        name, last = entry.stream, entry.index - 1
        if said_whole(name):
            found = self._source.last_of_stream(name, lte_index=last)
            rows = [] if found is None else [found]
        else:
            rows = self._source.stream_entries(name, lte_index=last)
        for sealed in rows:
            stream = evolve(stream, read_stored(sealed), command=None)
        if stream is None or stream.head.seq != entry.seq - 1:
            raise LogUnreadable(entry.index, f"{entry.stream} is not whole before it")
        return stream
