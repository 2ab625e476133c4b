"""The recorder's interface over a simulated database.

Which checks are made in a transaction, and in which order, is as in `ledger.record`; what a
connection does between them (wait, fail, die) is the business of its `Link`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent

from ledger.crashpoints import CrashPoint, reach
from ledger.log.edge import complete_root
from ledger.proof.tiles import TILE_WIDTH, decode_tile
from ledger.record.errors import CheckpointConflict, HeadMoved, TileConflict
from ledger.record.facts import (
    Batch,
    Checkpoint,
    CommandKey,
    Disclosure,
    HeadRow,
    KeyRow,
    ParcelRow,
    SealedEntry,
    Tile,
)
from ledger.record.reader import check_range
from ledger.record.recorder import LedgerRecorder, _check_indices
from tests.determinism.simdb import SimDatabase

# Each entry of these says all that it holds.
_ACCOUNTS = frozenset({"balance", "credit", "deposit"})


Change = Callable[[], None]


class Transaction:
    """What one transaction will change, once it is committed."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def apply(self) -> None:
        """Make it so."""
        for change in self.changes:
            change()


class Link:
    """A connection on which nothing ever fails; threads take turns."""

    # Whether a commit can be seen before it is as durable as what was acknowledged.
    replicates = False

    def __init__(self, database: SimDatabase) -> None:
        self.database = database
        self._turn = threading.RLock()

    def reading(self, what: str) -> None:
        """Called before each read."""

    @contextmanager
    def writing(self, what: str, lock: str) -> Iterator[Transaction]:
        """Give a transaction that is committed when the block ends well.

        `lock` names the rows that it changes: whoever else changes them waits.
        """
        with self._turn:
            transaction = Transaction()
            yield transaction
            reach(CrashPoint.BEFORE_COMMIT)
            transaction.apply()
            reach(CrashPoint.COMMIT_SENT)

    def insert(self, transaction: Transaction, lock: str) -> None:
        """Called where rows are inserted that others may insert at the same moment."""


class SimRecorder(LedgerRecorder):
    """A recorder on a simulated database."""

    def __init__(self, link: Link, *, originator_id_type: type[UUID] | type[str] = str) -> None:
        super().__init__(None, originator_id_type=originator_id_type)  # type: ignore[arg-type]
        self.link, self.database = link, link.database
        self._held: Transaction | None = None

    # Writing

    def append(self, batch: Batch) -> None:
        _check_indices(batch)
        try:
            with self._transaction_of_append() as transaction:
                self._compare_head(HeadRow(batch.size, batch.leaf, batch.epoch))
                self.database.check_append(batch)
                transaction.changes.append(lambda: self.database.append(batch))
                reach(CrashPoint.INSERTED)
        except HeadMoved:
            raise
        except IntegrityError as error:
            self._name_duplicate(batch, error)
            raise

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        with self.link.writing("turn", "head") as transaction:
            self._held = transaction
            try:
                yield
            finally:
                self._held = None

    @contextmanager
    def _transaction_of_append(self) -> Iterator[Transaction]:
        if self._held is not None:
            yield self._held
        else:
            with self.link.writing("append", "head") as transaction:
                yield transaction

    def raise_epoch(self, expected: HeadRow) -> HeadRow:
        raised = HeadRow(expected.size, expected.leaf, expected.epoch + 1)
        with self.link.writing("raise epoch", "head") as transaction:
            self._compare_head(expected)
            transaction.changes.append(lambda: setattr(self.database, "head", raised))
        return raised

    def settle(self, head: HeadRow) -> None:
        if self.link.replicates:
            with self.link.writing("settle", "head") as transaction:
                last = self.database.entries[head.size - 1 : head.size]
                if [row.leaf for row in last] != [head.leaf]:
                    raise HeadMoved(expected=head, found=self.database.head)
                transaction.changes.append(lambda: None)

    def _compare_head(self, expected: HeadRow) -> None:
        if self.database.head != expected:
            raise HeadMoved(expected=expected, found=self.database.head)

    def put_checkpoint(
        self,
        size: int,
        note: bytes,
        previous_size: int | None,
        *,
        check: Callable[[bytes], object] = bytes,
    ) -> None:
        database, shown = self.database, Checkpoint(size, note)
        try:
            with self.link.writing("put checkpoint", "published") as transaction:
                latest = database.latest()
                if latest == shown:
                    return
                latest_size = latest.size if latest else None
                if latest_size != previous_size or size <= (-1 if latest is None else latest.size):
                    raise CheckpointConflict(
                        size=size, previous_size=previous_size, latest_size=latest_size
                    )
                self.link.insert(transaction, "published")
                database.check_checkpoint(size, previous_size)
                check(note)
                row = (previous_size, shown)
                transaction.changes.append(lambda: database.checkpoints.update({size: row}))
        except IntegrityError as error:
            winner = self.latest_checkpoint()
            raise CheckpointConflict(
                size=size,
                previous_size=previous_size,
                latest_size=winner.size if winner else None,
            ) from error

    def put_tiles(self, tiles: Sequence[Tile], *, compare: bool = False) -> None:
        database = self.database
        with self.link.writing("put tiles", "tiles") as transaction:
            missing = [tile for tile in tiles if not self._is_stored(tile)]
            self.link.insert(transaction, "tiles")
            database.check_tiles(missing)
            rows = {(tile.level, tile.number): tile for tile in missing}
            for tile in missing if compare else ():
                if tile.hashes != b"".join(self._below(tile, rows)):
                    raise TileConflict(level=tile.level, number=tile.number)
            transaction.changes.append(lambda: database.tiles.update(rows))

    def _below(self, tile: Tile, rows: Mapping[tuple[int, int], Tile]) -> Iterator[bytes]:
        """Yield the hashes that a tile is made of, as far as they are there."""
        first = tile.number * TILE_WIDTH
        if tile.level == 0:
            yield from (row.leaf for row in self.database.entries[first : first + TILE_WIDTH])
            return
        for child in range(first, first + TILE_WIDTH):
            place = (tile.level - 1, child)
            found = rows.get(place) or self.database.tiles.get(place)
            if found is None:
                return
            yield complete_root(decode_tile(found.hashes, width=TILE_WIDTH))

    def _is_stored(self, tile: Tile) -> bool:
        found = self.database.tiles.get((tile.level, tile.number))
        if found is not None and found.hashes != tile.hashes:
            raise TileConflict(level=tile.level, number=tile.number)
        return found is not None

    # Reading

    def head(self) -> HeadRow:
        self.link.reading("head")
        return self.database.head

    def entry_at(self, index: int) -> SealedEntry | None:
        self.link.reading("entry")
        found = self.database.entries
        return found[index] if 0 <= index < len(found) else None

    def entries(self, start: int, stop: int) -> list[SealedEntry]:
        check_range(start, stop)
        self.link.reading("entries")
        return self.database.entries[start:stop]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        check_range(start, stop)
        self.link.reading("leaves")
        return [row.leaf for row in self.database.entries[start:stop]]

    def stream_entries(
        self,
        stream: str,
        *,
        lte_index: int | None = None,
        from_seq: int | None = None,
        limit: int | None = None,
    ) -> list[SealedEntry]:
        self.link.reading("stream")
        rows = self._stream(stream)
        if lte_index is not None:
            rows = [row for row in rows if row.index <= lte_index]
        if from_seq is not None:
            rows = [row for row in rows if row.seq >= from_seq]
        return rows[:limit]

    def entries_of_streams(
        self, streams: Collection[str], *, below: int | None = None
    ) -> list[SealedEntry]:
        self.link.reading("streams")
        return self._states(streams, below=below)

    def entries_of_type(self, type_: str, start: int, *, limit: int) -> list[SealedEntry]:
        self.link.reading("type")
        rows = self.database.entries[start:]
        return [row for row in rows if row.type == type_][:limit]

    def _states(self, streams: Collection[str], *, below: int | None = None) -> list[SealedEntry]:
        found: list[SealedEntry] = []
        for stream in sorted(streams):
            rows = [row for row in self._stream(stream) if below is None or row.index < below]
            found += rows[-1:] if stream.split("/")[0] in _ACCOUNTS else rows
        return found

    def _stream(self, stream: str) -> list[SealedEntry]:
        # Whatever became of the columns since, it is found where it was put.
        rows = [self.database.entries[index] for index in self.database.streams.get(stream, ())]
        return sorted(rows, key=lambda row: row.seq)

    def last_of_stream(self, stream: str, *, lte_index: int | None = None) -> SealedEntry | None:
        rows = self.stream_entries(stream, lte_index=lte_index)
        return rows[-1] if rows else None

    def find_command(self, by: str, id: str) -> CommandKey | None:  # noqa: A002
        self.link.reading("command")
        return self.database.commands.get((by, id))

    def look_up(
        self, names: Collection[tuple[str, str]], streams: Collection[str]
    ) -> tuple[list[CommandKey], list[SealedEntry]]:
        self.link.reading("commands and streams")
        found = map(self.database.commands.get, sorted(names))
        return [one for one in found if one is not None], self._states(streams)

    def find_key(self, key_id: bytes) -> KeyRow | None:
        self.link.reading("key")
        return self.database.keys.get(key_id)

    def other_party_exists(self, known: Collection[str], *, below: int | None = None) -> bool:
        self.link.reading("parties")
        rows = self.database.keys.values()
        return any(row.party not in known and (below is None or row.index < below) for row in rows)

    def disclosures(self, index: int) -> list[Disclosure]:
        self.link.reading("disclosures")
        found = [box for (at, _), box in self.database.boxes.items() if at == index]
        return sorted(found, key=lambda box: box.name)

    def parcel(self, order: str, line: int) -> ParcelRow | None:
        self.link.reading("parcel")
        return self.database.parcels.get((order, line))

    def lost_bodies(self) -> list[tuple[int, str, str]]:
        self.link.reading("lost bodies")
        boxes = self.database.boxes.values()
        return sorted((box.index, box.name, box.subject) for box in boxes if box.box == b"")

    def latest_checkpoint(self) -> Checkpoint | None:
        self.link.reading("latest checkpoint")
        return self.database.latest()

    def checkpoint_at(self, size: int) -> Checkpoint | None:
        self.link.reading("checkpoint")
        found = self.database.checkpoints.get(size)
        return None if found is None else found[1]

    def tile(self, level: int, number: int) -> Tile | None:
        self.link.reading("tile")
        return self.database.tiles.get((level, number))

    # What eventsourcing reads

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        self.link.reading("events")
        rows = self._stream(str(originator_id))
        rows = [
            row
            for row in rows
            if (gt is None or row.seq > gt - 1) and (lte is None or row.seq <= lte - 1)
        ]
        rows = rows[::-1] if desc else rows
        return [
            StoredEvent(self._originator_id_type(row.stream), row.seq + 1, row.type, row.entry)
            for row in rows[:limit]
        ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        self.link.reading("notifications")
        first = 0 if start is None else start - 1 if inclusive_of_start else start
        rows = [
            row
            for row in self.database.entries[max(first, 0) : stop]
            if not topics or row.type in topics
        ]
        return [
            Notification(
                self._originator_id_type(row.stream),
                row.seq + 1,
                row.type,
                row.entry,
                row.index + 1,
            )
            for row in rows[:limit]
        ]
