"""The ledger that the corruptions are done to: 2,000 entries, every kind and type, three sizes.

It is made by signed commands, as in life, and never written to again: every case takes a copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.record.nonces import NonceStore
from ledger.rules.compose import Draft
from ledger.rules.entries import Entry, read_entry
from projections.runner import Runner
from tests import golden_story, golden_trade
from tests.databases import sqlite_file_url
from tests.worlds import World

SIZE = 2_000
AT_ONCE = 100


@dataclass(frozen=True)
class Market:
    """The ledger, with all its keys still in hand.

    Attributes:
        world: Its world; only asked, never told anything.
        database: Its SQLite file, copied away from the running one, triggers and all.
        entries: All its entries.
        outside: A checkpoint that somebody keeps outside, of the first `outside_size` entries.

    """

    world: World
    database: Path
    entries: tuple[Entry, ...]
    outside: bytes
    outside_size: int

    @property
    def vault(self) -> Path:
        """The folder of the vault's keys."""
        return self.world.vault._files.folder

    def index_of(self, type_: str, *, nth: int = 0) -> int:
        """Index of the first entry of a type; `nth` -1 is the last."""
        return [entry.index for entry in self.entries if entry.type == type_][nth]


@contextmanager
def market(folder: Path) -> Iterator[Market]:
    """Make the ledger in an empty folder."""
    with World.create(sqlite_file_url(folder), "tamper") as world:
        golden_story.play(world)
        _items(world, 450)
        _sales(world, 200)
        outside = world.publish()
        assert outside is not None
        outside_size = world.size()
        _transfers(world, 100)
        _waiting(world)
        golden_trade.play(world)
        _items(world, SIZE - world.size())
        world.publish()
        Runner(world.reader).catch_up()
        now = world.clock.now()
        assert NonceStore(world.recorder.engine).spend("dora", "n" * 32, created=now, now=now)
        rows = world.reader.entries(0, world.size())
        _copy(folder / "ledger.sqlite", folder / "market.sqlite")
        yield Market(
            world,
            folder / "market.sqlite",
            tuple(read_entry(row.entry) for row in rows),
            outside,
            outside_size,
        )


def _send(world: World, drafts: list[Draft]) -> None:
    for start in range(0, len(drafts), AT_ONCE):
        batch = [world.submission(draft) for draft in drafts[start : start + AT_ONCE]]
        for outcome in world.send(*batch):
            if isinstance(outcome, Exception):
                raise outcome


def _items(world: World, count: int) -> None:
    start = world.size()
    _send(world, [world.item_draft(f"cards/b{start + number}") for number in range(count)])


def _sales(world: World, count: int) -> None:
    """One entry that presents and two effects each, or with a gap the same."""
    items = [f"old/i{number}" for number in range(count)]
    _send(world, [world.import_draft(item, seller="s", buyer="b") for item in items])
    again = {"time": "2021-02-01T00:00:00.000000Z"}
    _send(world, [world.import_draft(item, seller="x", buyer="c", **again) for item in items[:40]])


def _transfers(world: World, count: int) -> None:
    first = next(number for number in range(9999) if world.head(f"item/cards/b{number}"))
    items = [f"cards/b{first + number}" for number in range(count)]
    _send(world, [world.transfer_draft(item, to="dora") for item in items])


def _waiting(world: World) -> None:
    """A key change that waits for the end of its delay."""
    world.register("rita")
    world.add_key("rita", "rita-2")
    world.revoke_key("rita", "rita", by="rita-2")


def _copy(source: Path, target: Path) -> None:
    """Copy a database that is in use, as one file."""
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
