"""Reading the log: entries, checkpoints, tiles, bundles and the proofs made of them.

Full tiles are stored; a partial tile is made of leaves and of the tiles below it, so that any
width of any tile can be had for ever. Tiles and bundles are given only as far as a published
checkpoint covers them. Specification: docs/spec.md section 13; c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from sqlalchemy import Engine, select

from ledger.log.edge import complete_root
from ledger.log.errors import EntryMissing
from ledger.proof.hashing import HASH_SIZE
from ledger.proof.tiles import LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH, encode_bundle, encode_tile
from ledger.proof.tree import OutOfRange, consistency_path, inclusion_path, root_of
from ledger.record.database import reading
from ledger.record.facts import SealedEntry
from ledger.record.recorder import LedgerRecorder
from ledger.record.stored import read_stored
from ledger.record.tables import CHECKPOINT
from ledger.rules.entries import Entry

# Both hold what never changes: 2 MiB of tiles, and the roots of 16 million leaves' tiles.
_TILES_KEPT: Final = 256
_ROOTS_KEPT: Final = 65_536
_SIZES_AT_ONCE: Final = 10_000


class _NotStored(LookupError):
    """No such full tile is stored; raised so that the absence is not remembered."""


class LogReader:
    """The log as it can be read, without changing anything. Safe to share between threads."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        """Read from an open record."""
        self._recorder = recorder
        self._full_tile = lru_cache(_TILES_KEPT)(self._load_tile)
        self._tile_root = lru_cache(_ROOTS_KEPT)(self._fold_tile)

    @property
    def engine(self) -> Engine:
        """The database of the log, for projections that keep their own tables in it."""
        return self._recorder.engine

    def size(self) -> int:
        """Count the entries in the log, published or not."""
        return self._recorder.head().size

    def published_size(self) -> int:
        """Count the entries that the latest checkpoint covers; 0 before the first."""
        latest = self._recorder.latest_checkpoint()
        return latest.size if latest else 0

    def checkpoint(self) -> bytes | None:
        """Return the latest published checkpoint, exact bytes; None before the first."""
        latest = self._recorder.latest_checkpoint()
        return latest.note if latest else None

    def checkpoint_at(self, size: int) -> bytes | None:
        """Return the checkpoint that was published for exactly `size` entries."""
        found = self._recorder.checkpoint_at(size)
        return found.note if found else None

    def checkpoint_sizes(self) -> Iterator[int]:
        """Yield the sizes of all published checkpoints, in order."""
        size = CHECKPOINT.c.size
        page = [-1]
        while page:
            query = select(size).where(size > page[-1]).order_by(size).limit(_SIZES_AT_ONCE)
            with reading(self._recorder.engine) as connection:
                page = list(connection.execute(query).scalars())
            yield from page

    def entry(self, index: int) -> SealedEntry | None:
        """Return the entry at a 0-based index, published or not; None beyond the size."""
        return self._recorder.entry_at(index)

    def written(self, index: int) -> Entry:
        """Read the entry at an index that the log is known to have.

        Raises:
            EntryMissing: Storage does not hold it.
            EntryDamaged: It was changed.

        """
        stored = self.entry(index)
        if stored is None:
            raise EntryMissing(index)
        return read_stored(stored)

    def entries(self, start: int, stop: int) -> list[SealedEntry]:
        """Return the entries with `start <= index < stop`, published or not, in order.

        Raises:
            ReadTooWide: The range is backward or wider than one read may be.

        """
        return self._recorder.entries(start, stop)

    def stream_entries(self, stream: str, lte_index: int | None = None) -> list[SealedEntry]:
        """Return the entries of a stream, oldest first, up to an index of the log if given."""
        return self._recorder.stream_entries(stream, lte_index=lte_index)

    def last_of_stream(self, stream: str, lte_index: int | None = None) -> SealedEntry | None:
        """Return the newest entry of a stream, up to an index of the log if given."""
        return self._recorder.last_of_stream(stream, lte_index=lte_index)

    def tile(self, level: int, number: int, width: int = TILE_WIDTH) -> bytes | None:
        """Return the first `width` hashes of a tile, 32 bytes each.

        Args:
            level: 0 to 63.
            number: 0-based number of the tile in its level.
            width: 1 to 256 hashes.

        Returns:
            None where no published checkpoint covers them all.

        Raises:
            EntryMissing: Storage lacks a leaf under them.

        Spec: docs/spec.md section 13.4.

        """
        if not 0 <= level <= LEVEL_MAX or not self._covers(level, number, width):
            return None
        start = number * TILE_WIDTH
        return encode_tile(self.hashes(level, start, start + width))

    def bundle(self, number: int, width: int = TILE_WIDTH) -> bytes | None:
        """Return the first `width` entries of an entry bundle.

        Returns:
            None where no published checkpoint covers them all.

        Raises:
            EntryMissing: Storage lacks one of them.

        Spec: docs/spec.md section 13.4.

        """
        if not self._covers(0, number, width):
            return None
        start = number * TILE_WIDTH
        found = self._recorder.entries(start, start + width)
        if len(found) < width:
            raise EntryMissing(self._first_missing(start, start + width))
        return encode_bundle(row.entry for row in found)

    def node(self, level: int, index: int) -> bytes:
        """Return the root of the complete subtree over `[index << level, (index + 1) << level)`.

        Raises:
            OutOfRange: The log does not hold these leaves.
            EntryMissing: It should, and one is lost.

        """
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        return complete_root(self.hashes(tile_level, first, first + (1 << height)))

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes `[start, stop)` of a level of tiles; all of one tile.

        Raises:
            OutOfRange: The log does not hold the leaves under them.
            EntryMissing: It should, and one is lost.

        """
        number = start // TILE_WIDTH
        try:
            tile = self._full_tile(level, number)
        except _NotStored:
            if level == 0:
                return self._leaves(start, stop)
            return [self._tile_root(level - 1, child) for child in range(start, stop)]
        offset = number * TILE_WIDTH
        return [
            tile[at * HASH_SIZE : (at + 1) * HASH_SIZE]
            for at in range(start - offset, stop - offset)
        ]

    def root(self, size: int) -> bytes:
        """Compute the root of the first `size` leaves from what is stored. Raises `OutOfRange`."""
        return root_of(size, self.node)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of leaf `index` in the tree of `size` leaves, leaf upwards.

        Raises:
            OutOfRange: Not `0 <= index < size`, or the log is smaller than `size`.

        """
        self._check_size(size)
        return inclusion_path(index, size, self.node)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of `new` leaves begins with that of `old` leaves.

        Raises:
            OutOfRange: Not `1 <= old <= new`, or the log is smaller than `new`.

        """
        self._check_size(new)
        return consistency_path(old, new, self.node)

    def _covers(self, level: int, number: int, width: int) -> bool:
        if not 1 <= width <= TILE_WIDTH or number < 0:
            return False
        return (number * TILE_WIDTH + width) << (TILE_HEIGHT * level) <= self.published_size()

    def _check_size(self, size: int) -> None:
        # Before any node is read: a proof of a size from outside may otherwise walk the log.
        if size > self.size():
            raise OutOfRange("size", size)

    def _leaves(self, start: int, stop: int) -> list[bytes]:
        found = self._recorder.leaves(start, stop)
        if len(found) != stop - start:
            missing = self._first_missing(start, stop)
            if missing < self.size():
                raise EntryMissing(missing)
            raise OutOfRange("leaf", missing)
        return found

    def _first_missing(self, start: int, stop: int) -> int:
        present = {row.index for row in self._recorder.entries(start, stop)}
        return next(index for index in range(start, stop) if index not in present)

    def _load_tile(self, level: int, number: int) -> bytes:
        found = self._recorder.tile(level, number)
        if found is None:
            raise _NotStored
        return bytes(found.hashes)

    def _fold_tile(self, level: int, number: int) -> bytes:
        """Compute the root of a complete tile, which is a hash of the tile above."""
        start = number * TILE_WIDTH
        return complete_root(self.hashes(level, start, start + TILE_WIDTH))
