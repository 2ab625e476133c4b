"""Reads of the entry, command, head, disclosure and parcel tables.

Every read is bounded: by a range of indices, by one stream, or by one key.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Select, bindparam, select

from ledger.record.asking import commands_named, entries_of
from ledger.record.database import reading
from ledger.record.errors import ReadTooWide
from ledger.record.facts import CommandKey, Disclosure, HeadRow, KeyRow, ParcelRow, SealedEntry
from ledger.record.tables import COMMAND, DISCLOSURE, ENTRY, HEAD, PARCEL, REGISTERED_KEY

ROWS_MAX: Final = 65_536
"""Most rows that a read of a range of indices returns."""

_E: Final = ENTRY.c
_ENTRIES: Final = (
    select(ENTRY)
    .where(_E.index >= bindparam("start"), _E.index < bindparam("stop"))
    .order_by(_E.index)
)
# What `SealedEntry(*row)` does, in a third of the time: every entry that is read takes this way.
_sealed: Final = partial(tuple.__new__, SealedEntry)


class LedgerReader:
    """What can be asked of the record; enough alone for an auditor with a read-only engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The database, for those who keep their own tables in it."""
        return self._engine

    def head(self) -> HeadRow:
        """Return the head row: size, last leaf and epoch."""
        with reading(self._engine) as connection:
            row = connection.execute(select(HEAD.c.size, HEAD.c.leaf, HEAD.c.epoch)).one()
        return HeadRow(*row)

    def entry_at(self, index: int) -> SealedEntry | None:
        """Return the entry at a 0-based index, None at or beyond the size."""
        found = self._select(select(ENTRY).where(_E.index == index))
        return found[0] if found else None

    def entries(self, start: int, stop: int) -> list[SealedEntry]:
        """Return the entries with `start <= index < stop`, in order.

        Args:
            start: First index, 0 or more.
            stop: One past the last index; at most `ROWS_MAX` past `start`.

        Raises:
            ReadTooWide: The range is backward or wider than `ROWS_MAX`.

        """
        check_range(start, stop)
        return self._select(_ENTRIES, start=start, stop=stop)

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Return the 32-byte leaf hashes with `start <= index < stop`, in order.

        Raises:
            ReadTooWide: The range is backward or wider than `ROWS_MAX`.

        """
        check_range(start, stop)
        query = select(_E.leaf).where(_in_range(start, stop)).order_by(_E.index)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def stream_entries(
        self,
        stream: str,
        *,
        lte_index: int | None = None,
        from_seq: int | None = None,
        limit: int | None = None,
    ) -> list[SealedEntry]:
        """Return the entries of one stream in order, oldest first.

        Args:
            stream: Stream name.
            lte_index: Only entries at or below this 0-based index of the log.
            from_seq: Only entries at or above this 0-based position in the stream.
            limit: At most so many entries.

        """
        query = select(ENTRY).where(_E.stream == stream).order_by(_E.seq).limit(limit)
        if lte_index is not None:
            query = query.where(_E.index <= lte_index)
        if from_seq is not None:
            query = query.where(_E.seq >= from_seq)
        return self._select(query)

    def entries_of_streams(
        self, streams: Collection[str], *, below: int | None = None
    ) -> list[SealedEntry]:
        """Return what the states of several streams follow from, stream by stream, in order.

        That is every entry of a stream whose index is lower than `below`, if given; of an account,
        whose every entry says all that it holds, only the last of them.
        """
        bound = {} if below is None else {"below": below}
        with reading(self._engine) as connection:
            return [SealedEntry(*row) for row in entries_of(connection, sorted(streams), **bound)]

    def entries_of_type(self, type_: str, start: int, *, limit: int) -> list[SealedEntry]:
        """Return the first entries of a type at or above a 0-based index, in order."""
        query = select(ENTRY).where(_E.type == type_, _E.index >= start).order_by(_E.index)
        return self._select(query.limit(limit))

    def last_of_stream(self, stream: str, *, lte_index: int | None = None) -> SealedEntry | None:
        """Return the newest entry of a stream, optionally at or below an index of the log."""
        query = select(ENTRY).where(_E.stream == stream).order_by(_E.seq.desc()).limit(1)
        if lte_index is not None:
            query = query.where(_E.index <= lte_index)
        found = self._select(query)
        return found[0] if found else None

    def find_command(self, by: str, id: str) -> CommandKey | None:  # noqa: A002
        """Return the recorded command with this party and id: what resolves an unknown outcome."""
        query = select(COMMAND).where(COMMAND.c.by == by, COMMAND.c.id == id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else CommandKey(*row)

    def look_up(
        self, names: Collection[tuple[str, str]], streams: Collection[str]
    ) -> tuple[list[CommandKey], list[SealedEntry]]:
        """Answer what a batch asks for first, in one transaction.

        Args:
            names: Commands, by party and id.
            streams: Names of streams.

        Returns:
            Those of the commands that are recorded, and the entries that the states of the
            streams follow from, as `entries_of_streams` returns them.

        """
        with reading(self._engine) as connection:
            commands = [CommandKey(*row) for row in commands_named(connection, list(names))]
            entries = [SealedEntry(*row) for row in entries_of(connection, sorted(streams))]
        return commands, entries

    def find_key(self, key_id: bytes) -> KeyRow | None:
        """Return the registration of a public key, revoked since or not."""
        query = select(REGISTERED_KEY).where(REGISTERED_KEY.c.id == key_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else KeyRow(*row)

    def other_party_exists(self, known: Collection[str], *, below: int | None = None) -> bool:
        """Say whether a party that is not among `known` has a key.

        Args:
            known: Parties that do not count.
            below: Only keys registered below this index of the log.

        """
        query = select(REGISTERED_KEY.c.party).where(REGISTERED_KEY.c.party.not_in(known)).limit(1)
        if below is not None:
            query = query.where(REGISTERED_KEY.c.index < below)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def disclosures(self, index: int) -> list[Disclosure]:
        """Return the vault boxes of the entry at a 0-based index, by name."""
        columns = DISCLOSURE.c
        query = select(DISCLOSURE).where(columns.index == index).order_by(columns.name)
        with reading(self._engine) as connection:
            return [Disclosure(*row) for row in connection.execute(query)]

    def parcel(self, order: str, line: int) -> ParcelRow | None:
        """Return the parcel of a line of an order, None where none is kept here."""
        columns = PARCEL.c
        query = select(PARCEL).where(columns.order_id == order, columns.line == line)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else ParcelRow(*row)

    def lost_bodies(self) -> list[tuple[int, str, str]]:
        """Return index, name and subject of the sealed values whose box is lost, in order."""
        columns = DISCLOSURE.c
        query = select(columns.index, columns.name, columns.subject).where(columns.box == b"")
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(columns.index, columns.name))
            return [(index, name, subject) for index, name, subject in rows]

    def _select(self, query: Select[Any], **given: int) -> list[SealedEntry]:
        with reading(self._engine) as connection:
            # All at once: one by one, every row passes three more layers.
            return list(map(_sealed, connection.execute(query, given).all()))


def check_range(start: int, stop: int) -> None:
    """Check that `[start, stop)` is a forward range of at most `ROWS_MAX` rows.

    Raises:
        ReadTooWide: It is not.

    """
    if not 0 <= start <= stop <= start + ROWS_MAX:
        raise ReadTooWide(start=start, stop=stop, rows_max=ROWS_MAX)


def _in_range(start: int, stop: int) -> ColumnElement[bool]:
    return (_E.index >= start) & (_E.index < stop)
