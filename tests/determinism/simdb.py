"""A database in memory: what is committed, which locks are held, and nothing else.

It keeps the promises of the real ones and no more: a transaction is applied whole or not at all,
unique keys hold, and whoever holds a lock makes the others wait. `tests/contract` runs the same
tests against it as against SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from eventsourcing.persistence import IntegrityError

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

HASH_SIZE, ENTRY_MAX, TILE_SIZE = 32, 65_535, 8_192
EMPTY = HeadRow(0, None, 0)
Watcher = Callable[[list[SealedEntry]], None]


@dataclass
class SimDatabase:
    """Everything that is committed."""

    head: HeadRow = EMPTY
    entries: list[SealedEntry] = field(default_factory=list)
    streams: dict[str, list[int]] = field(default_factory=dict)
    places: set[tuple[str, int]] = field(default_factory=set)
    commands: dict[tuple[str, str], CommandKey] = field(default_factory=dict)
    command_indices: set[int] = field(default_factory=set)
    keys: dict[bytes, KeyRow] = field(default_factory=dict)
    boxes: dict[tuple[int, str], Disclosure] = field(default_factory=dict)
    parcels: dict[tuple[str, int], ParcelRow] = field(default_factory=dict)
    checkpoints: dict[int, tuple[int | None, Checkpoint]] = field(default_factory=dict)
    tiles: dict[tuple[int, int], Tile] = field(default_factory=dict)
    locks: dict[str, object] = field(default_factory=dict)
    watcher: Watcher | None = None

    def copy(self) -> SimDatabase:
        """What is committed now, to begin another history with."""
        return SimDatabase(
            head=self.head,
            entries=list(self.entries),
            streams={name: list(rows) for name, rows in self.streams.items()},
            places=set(self.places),
            commands=dict(self.commands),
            command_indices=set(self.command_indices),
            keys=dict(self.keys),
            boxes=dict(self.boxes),
            parcels=dict(self.parcels),
            checkpoints=dict(self.checkpoints),
            tiles=dict(self.tiles),
        )

    # Appending

    def check_append(self, batch: Batch) -> None:
        """Hold the rows of a batch against every key and limit. Raises `IntegrityError`."""
        fresh: set[object] = set()

        def once(key: object, taken: bool, what: str) -> None:  # noqa: FBT001 - a condition
            if taken or key in fresh:
                raise IntegrityError(f"{what} is taken")
            fresh.add(key)

        for row in batch.entries:
            once(("index", row.index), row.index < len(self.entries), "entry.index")
            place = (row.stream, row.seq)
            once(place, place in self.places, "entry.stream, entry.seq")
            hashes = len(row.leaf) == HASH_SIZE == len(row.command)
            _need(hashes and len(row.entry) <= ENTRY_MAX, "entry")
        for command in batch.commands:
            name = (command.by, command.id)
            once(("command", name), name in self.commands, "command.by, command.id")
            once(("of", command.index), command.index in self.command_indices, "command.index")
            _need(len(command.digest) == HASH_SIZE, "command")
        for key in batch.keys:
            once(("key", key.id), key.id in self.keys, "registered_key.id")
            taken = any(key.index == row.index for row in self.keys.values())
            once(("key of", key.index), taken, "registered_key.index")
            _need(len(key.id) == HASH_SIZE, "registered_key")
        for box in batch.disclosures:
            field_of = (box.index, box.name)
            once(("box", field_of), field_of in self.boxes, "disclosure")
        for parcel in batch.parcels:
            line = (parcel.order_id, parcel.line)
            once(("parcel", line), line in self.parcels, "parcel")

    def append(self, batch: Batch) -> None:
        """Apply a batch that was checked: it is durable from here on."""
        last = batch.entries[-1]
        self.head = HeadRow(last.index + 1, last.leaf, batch.epoch)
        for row in batch.entries:
            self.entries.append(row)
            self.streams.setdefault(row.stream, []).append(row.index)
            self.places.add((row.stream, row.seq))
        self.commands |= {(one.by, one.id): one for one in batch.commands}
        self.command_indices |= {one.index for one in batch.commands}
        self.keys |= {one.id: one for one in batch.keys}
        self.boxes |= {(one.index, one.name): one for one in batch.disclosures}
        self.parcels |= {(one.order_id, one.line): one for one in batch.parcels}
        if self.watcher is not None:
            self.watcher(list(batch.entries))

    # What was shown

    def latest(self) -> Checkpoint | None:
        """The largest checkpoint."""
        return self.checkpoints[max(self.checkpoints)][1] if self.checkpoints else None

    def check_checkpoint(self, size: int, previous: int | None) -> None:
        """Two checkpoints never follow the same one. Raises `IntegrityError`."""
        followed = any(before == previous for before, _ in self.checkpoints.values())
        _need(size not in self.checkpoints and not followed, "checkpoint")

    def check_tiles(self, tiles: list[Tile]) -> None:
        """Only full tiles are kept, each once. Raises `IntegrityError`."""
        for tile in tiles:
            _need(len(tile.hashes) == TILE_SIZE, "tile_full")
            _need((tile.level, tile.number) not in self.tiles, "tile")

    # Disasters

    def cut(self, size: int, checkpoints: int) -> None:
        """Become an old copy: so many entries, and checkpoints up to so many entries."""
        del self.entries[size:]
        self.places = {(row.stream, row.seq) for row in self.entries}
        for name, rows in list(self.streams.items()):
            self.streams[name] = [index for index in rows if index < size]
            if not self.streams[name]:
                del self.streams[name]
        self.commands = {name: one for name, one in self.commands.items() if one.index < size}
        self.command_indices = {one.index for one in self.commands.values()}
        self.keys = {name: one for name, one in self.keys.items() if one.index < size}
        self.boxes = {place: one for place, one in self.boxes.items() if place[0] < size}
        orders = {name.removeprefix("order/") for name in self.streams}
        self.parcels = {place: one for place, one in self.parcels.items() if place[0] in orders}
        self.checkpoints = {at: one for at, one in self.checkpoints.items() if at <= checkpoints}
        self.tiles = {
            place: one for place, one in self.tiles.items() if _covers(one) <= checkpoints
        }
        self.head = HeadRow(size, self.entries[-1].leaf if size else None, self.head.epoch)


def _covers(tile: Tile) -> int:
    return (tile.number + 1) << 8 * (tile.level + 1)


def _need(condition: bool, what: str) -> None:  # noqa: FBT001 - a condition
    if not condition:
        raise IntegrityError(f"{what} is refused")
