"""What the log has shown to the world: checkpoints and full tiles, exact bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from eventsourcing.persistence import IntegrityError
from sqlalchemy import Connection, Engine, insert, select

from ledger.proof.tiles import TILE_WIDTH, decode_tile
from ledger.proof.tree import CompactRange
from ledger.record.database import reading, writing
from ledger.record.errors import CheckpointConflict, TileConflict
from ledger.record.facts import Checkpoint, Tile
from ledger.record.inserting import insert_rows
from ledger.record.tables import CHECKPOINT, ENTRY, TILE

_NONE_BEFORE: Final = -1
_LATEST: Final = (
    select(CHECKPOINT.c.size, CHECKPOINT.c.note).order_by(CHECKPOINT.c.size.desc()).limit(1)
)


class PublishedStore:
    """Checkpoints and tiles; both are append-only inside the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put_checkpoint(
        self,
        size: int,
        note: bytes,
        previous_size: int | None,
        *,
        check: Callable[[bytes], object] = bytes,
    ) -> None:
        """Commit a signed checkpoint before it is shown to anybody (the publish barrier).

        Putting the latest checkpoint again, byte for byte, changes nothing.

        Args:
            size: Number of entries that it covers.
            note: The signed note, exact bytes.
            previous_size: Size of the checkpoint that it follows, None for the first.
            check: Asked about the note as it is stored, before COMMIT; what it raises undoes it.

        Raises:
            CheckpointConflict: It does not follow the latest checkpoint, or other bytes are
                published for this size.
            OutcomeUnknown: COMMIT gave no clear answer; put it again.

        """
        try:
            with writing(self._engine) as connection:
                latest = _latest(connection)
                if latest == Checkpoint(size, note):
                    return
                latest_size = latest.size if latest else None
                if latest_size != previous_size or size <= _before(latest_size):
                    raise _conflict(size, previous_size, latest)
                row = {"size": size, "previous": _before(previous_size), "note": note}
                connection.execute(insert(CHECKPOINT).values(row))
                stored = _latest(connection)
                check(stored.note if stored else b"")
        except IntegrityError as error:
            # `previous` is unique: of two publishers that follow one checkpoint, one wins.
            raise _conflict(size, previous_size, self.latest_checkpoint()) from error

    def latest_checkpoint(self) -> Checkpoint | None:
        """Return the largest published checkpoint, None before the first."""
        with reading(self._engine) as connection:
            return _latest(connection)

    def checkpoint_at(self, size: int) -> Checkpoint | None:
        """Return the checkpoint published for exactly this size."""
        query = select(CHECKPOINT.c.size, CHECKPOINT.c.note).where(CHECKPOINT.c.size == size)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Checkpoint(*row)

    def put_tiles(self, tiles: Sequence[Tile], *, compare: bool = False) -> None:
        """Store full tiles in one transaction; tiles that are there already change nothing.

        Args:
            tiles: Full tiles, 8,192 bytes of hashes each, no tile twice.
            compare: Compare each new one, as it is stored, with what is stored below it.

        Raises:
            TileConflict: A stored tile holds other hashes, or one of these, as it is stored, is not
                made of what is stored below it; nothing was written.
            eventsourcing.persistence.IntegrityError: A tile is not full, or another publisher
                stored it at this moment; nothing was written.

        """
        with writing(self._engine) as connection:
            missing = [tile for tile in tiles if not _is_stored(connection, tile)]
            insert_rows(connection, TILE, [(t.level, t.number, t.hashes) for t in missing])
            for tile in missing if compare else ():
                _check_stored(connection, tile.level, tile.number)

    def tile(self, level: int, number: int) -> Tile | None:
        """Return a stored full tile, None when it is not stored."""
        with reading(self._engine) as connection:
            hashes = _hashes(connection, level=level, number=number)
        return None if hashes is None else Tile(level, number, hashes)


def _before(size: int | None) -> int:
    return _NONE_BEFORE if size is None else size


def _latest(connection: Connection) -> Checkpoint | None:
    row = connection.execute(_LATEST).one_or_none()
    return None if row is None else Checkpoint(*row)


def _conflict(
    size: int, previous_size: int | None, latest: Checkpoint | None
) -> CheckpointConflict:
    return CheckpointConflict(
        size=size, previous_size=previous_size, latest_size=latest.size if latest else None
    )


def _is_stored(connection: Connection, tile: Tile) -> bool:
    hashes = _hashes(connection, level=tile.level, number=tile.number)
    if hashes not in {None, tile.hashes}:
        raise TileConflict(level=tile.level, number=tile.number)
    return hashes is not None


def _check_stored(connection: Connection, level: int, number: int) -> None:
    """Compare a tile as it is stored with the leaves, or with the tiles, that are stored below."""
    first = number * TILE_WIDTH
    if level == 0:
        index = ENTRY.c.index
        query = select(ENTRY.c.leaf).where(index >= first, index < first + TILE_WIDTH)
        below = list(connection.execute(query.order_by(index)).scalars())
    else:
        children = range(first, first + TILE_WIDTH)
        below = [_root_of_tile(connection, level - 1, child) for child in children]
    if _hashes(connection, level=level, number=number) != b"".join(below):
        raise TileConflict(level=level, number=number)


def _root_of_tile(connection: Connection, level: int, number: int) -> bytes:
    hashes = _hashes(connection, level=level, number=number)
    if hashes is None:
        raise TileConflict(level=level, number=number)
    tree = CompactRange()
    for hash_ in decode_tile(hashes, width=TILE_WIDTH):
        tree.append(hash_)
    return tree.root()


def _hashes(connection: Connection, *, level: int, number: int) -> bytes | None:
    query = select(TILE.c.hashes).where(TILE.c.level == level, TILE.c.number == number)
    return connection.execute(query).scalar_one_or_none()
