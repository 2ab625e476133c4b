"""Keeping the views up with the log.

Entries are folded in memory, chunk by chunk; then one transaction moves the position, if it is
still the one that the chunk was begun from, and writes the rows. Of several processes that do this
at once one wins each chunk and the others begin again from the new position, so running it twice,
or killing it anywhere, changes nothing. Decision: docs/adr/0009.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ledger import codec
from ledger.domain.stream import UnknownEventType
from ledger.log.database import SealedEntry
from ledger.rules.errors import RuleError
from ledger.rules.evolve import evolve
from ledger.rules.views import Row, Views, digest
from projections.errors import LogUnreadable, ViewsDamaged
from projections.source import Source, read_stored
from projections.store import ViewStore
from projections.streams import Streams

CHUNK: Final = 1000
"""Entries in one transaction."""

Progress = Callable[[int, int], None]
"""Told the position and the size it is going to, after every chunk."""


class Runner:
    """The views of one log. Thread-safe; any number of processes may run one each."""

    def __init__(self, source: Source, *, chunk: int = CHUNK) -> None:
        """Take the log whose database holds the views, and the entries of a chunk."""
        codec.install()
        self._source = source
        self._store = ViewStore(source.engine)
        self._streams = Streams(source)
        self._chunk = chunk
        self._lock = threading.Lock()

    def catch_up(self, progress: Progress | None = None) -> int:
        """Bring the views up to the size that the log has now.

        Args:
            progress: Told position and size after every chunk.

        Returns:
            The position reached; another process may have gone further.

        Raises:
            UnknownEventType: The views show everything before that entry and stay there.
            LogUnreadable: Likewise.
            ViewsDamaged: Rows and position do not belong together.

        """
        with self._lock:
            size = self._source.size()
            start = self._store.position()
            while start < size:
                views, stop = self._fold(start, min(start + self._chunk, size))
                if not self._store.write(views, start=start, stop=stop):
                    start = self._store.position()
                    continue
                start = stop
                if progress is not None:
                    progress(stop, size)
            self._check_ahead(start, size)
            return start

    def rebuild(self, progress: Progress | None = None) -> int:
        """Drop every row and project the whole log again.

        Killed half-way it leaves views that are behind; `catch_up` goes on from there.

        Args:
            progress: Told position and size after every chunk.

        Returns:
            The position reached.

        Raises:
            UnknownEventType: As for `catch_up`.
            LogUnreadable: As for `catch_up`.

        """
        self._store.drop()
        return self.catch_up(progress)

    def positions(self) -> dict[str, int]:
        """Return how many entries each view shows."""
        return self._store.positions()

    def stored(self) -> tuple[dict[str, int], dict[str, list[Row]]]:
        """Return positions and whole tables as stored, in the order of `Views.tables`."""
        with self._store.snapshot() as (positions, tables):
            return positions, {name: list(rows) for name, rows in tables}

    def digest(self) -> str:
        """Digest every row of every view, hex: the same log gives the same digest."""
        with self._store.snapshot() as (_, tables):
            return digest(tables)

    def _check_ahead(self, position: int, size: int) -> None:
        """Accept a position past `size` only if the log has grown there since."""
        if position > size and position > self._source.size():
            raise ViewsDamaged(f"they show {position} entries, the log has {size}")

    def _fold(self, start: int, stop: int) -> tuple[Views, int]:
        """Fold entries; an unreadable one ends the chunk before it, or is raised if it is first."""
        views, entries = Views(), self._source.entries(start, stop)
        for index in range(start, stop):
            place = index - start
            try:
                self._add(views, index, entries[place] if place < len(entries) else None)
            except (UnknownEventType, LogUnreadable):
                if index == start:
                    raise
                return views, index
        return views, stop

    def _add(self, views: Views, index: int, sealed: SealedEntry | None) -> None:
        if sealed is None or sealed.index != index:
            raise LogUnreadable(index, "it is missing")
        entry = read_stored(sealed)
        before, cause = self._streams.before(entry), self._streams.cause(entry)
        try:
            after = evolve(before, entry, command=None)
            views.add(entry, before=before, after=after, cause=cause)
        except (RuleError, AssertionError, AttributeError, LookupError, TypeError) as error:
            # Entries that were admitted fold; these bytes were changed since.
            reason = f"it does not follow from the entries before it ({type(error).__name__})"
            raise LogUnreadable(index, reason) from error
        self._streams.keep(entry.stream, after)
