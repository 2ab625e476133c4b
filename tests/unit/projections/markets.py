"""Small markets for the tests of the views, and what the log itself says about them.

`strict_fold` reads the entries as a verifier does. `replay` is an oracle: it knows neither the
rules nor the views, only the JSON of the entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ledger.log.reader import LogReader
from ledger.rules.entries import Entry, read_entry
from ledger.rules.evolve import evolve
from ledger.rules.state import Stream
from ledger.rules.views import Views
from tests.databases import sqlite_file_url
from tests.worlds import World

HUGE = {"amount": "12345678901234567890123456789", "currency": "ETH"}
DAY_1, DAY_2, DAY_3 = (f"2021-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3))


class Holding(NamedTuple):
    """Who holds an item, and whether it is frozen."""

    owner: str
    frozen: bool


@contextmanager
def sqlite_world(seed: str) -> Iterator[World]:
    """An opened ledger in a SQLite file that goes away."""
    with (
        TemporaryDirectory(prefix="yz-views-") as folder,
        World.create(sqlite_file_url(Path(folder)), seed) as world,
    ):
        yield world


def people(world: World) -> None:
    """A shop with the namespace `cards`, which also imports, a freezer, two members."""
    for name in ("shop", "bob", "eve", "guard"):
        world.register(name, kind="merchant" if name == "shop" else "member")
    world.open_namespace("cards", "shop")
    world.grant("shop", "importer", second="bob")
    world.grant("guard", "freezer")


def market_day(world: World) -> None:
    """Something of everything that the views show."""
    people(world)
    world.register_item("cards/1", kind="point-card")
    world.transfer("cards/1", to="bob", price={"amount": "9900", "currency": "CNY"})
    world.register_item("cards/2")
    world.offer("cards/2", to="eve", price=HUGE)
    world.accept("cards/2")
    world.offer("cards/1", to="eve")
    world.refuse("cards/1")
    world.freeze("cards/1", by="guard", ground="reported-stolen")
    world.unfreeze("cards/1", by="guard", ground="report-withdrawn")
    world.import_sale("cards/old", seller="ann", buyer=None, time=DAY_1, price=HUGE)
    world.import_sale("cards/old", seller="cho", buyer="dan", time=DAY_2)
    world.import_sale("cards/old", seller="eli", buyer="fay", time=DAY_2)
    world.add_key("bob", "bob-2")


def entries_of(reader: LogReader) -> list[Entry]:
    return [read_entry(sealed.entry) for sealed in reader.entries(0, reader.size())]


def strict_fold(entries: list[Entry]) -> Views:
    """Fold entries from 0 on as a verifier does."""
    views, streams = Views(), dict[str, Stream]()
    own: dict[str, Entry] = {}
    for entry in entries:
        own[entry.leaf] = entry
        before = streams.get(entry.stream)
        after = streams[entry.stream] = evolve(before, entry, command=None)
        views.add(
            entry, before=before, after=after, cause=own[entry.cause] if entry.cause else None
        )
    return views


def replay(entries: list[Entry]) -> list[dict[str, Holding]]:
    """Say who held what after each entry, from the bytes alone."""
    after: list[dict[str, Holding]] = []
    items: dict[str, Holding] = {}
    for entry in entries:
        document: dict[str, Any] = json.loads(entry.raw)
        room, _, item = document["stream"].partition("/")
        if room == "item":
            held = items.get(item, Holding("unknown", frozen=False))
            owner = document["data"].get("to") or document["data"].get("owner") or held.owner
            frozen = {"item-frozen/1": True, "item-unfrozen/1": False}.get(
                document["type"], held.frozen
            )
            items = {**items, item: Holding(owner, frozen)}
        after.append(items)
    return after
