"""Rows dropped, added, swapped and spliced by somebody with the database and no key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.proof.hashing import leaf_hash
from ledger.rules.canonical import encode
from tests.figures import record
from tests.tamper.copies import Copy
from tests.tamper.market import SIZE
from tests.tamper.test_columns import Fault

Damage = Callable[[Copy], object]

# In a full tile, whose hashes are stored; and past the last one.
TILED, TAIL = 1_000, 1_900
SPARE = 9_999


def drop(index: int) -> Damage:
    return lambda copy: copy.run(f'DELETE FROM entry WHERE "index" = {index}')


def swap(one: int, other: int) -> Damage:
    """Exchange two rows whole, but for the index."""
    return lambda copy: copy.run(
        *(
            f'UPDATE entry SET "index" = {new} WHERE "index" = {old}'
            for old, new in ((one, SPARE), (other, one), (SPARE, other))
        )
    )


def overwrite(copy: Copy, index: int, raw: bytes) -> None:
    """Put other bytes into a row, and their hash beside them."""
    copy.run(
        'UPDATE entry SET entry = :raw, leaf = :hashed WHERE "index" = :at',
        raw=raw,
        hashed=leaf_hash(raw),
        at=index,
    )


def spliced(index: int, other: int) -> Damage:
    """Copy the bytes of another stream's entry to an index, past the unique leaf."""

    def damage(copy: Copy) -> None:
        raw = copy.market.entries[other].raw
        assert copy.market.entries[other].stream != copy.market.entries[index].stream
        copy.run(f'DELETE FROM entry WHERE "index" = {other}')
        overwrite(copy, index, raw)

    return damage


def other_time(index: int) -> Damage:
    """Change what nobody signs: the time of the entry, by a microsecond."""

    def damage(copy: Copy) -> None:
        document = copy.market.entries[index].document
        at = document["at"].replace("00Z", "01Z")
        assert at != document["at"]
        overwrite(copy, index, encode({**document, "at": at}))

    return damage


def add(sql: str) -> Damage:
    return lambda copy: copy.run(sql)


def effect_of(copy: Copy) -> int:
    return copy.market.index_of("sale-imported/1", nth=100)


def drop_an_effect(copy: Copy) -> None:
    copy.run(f'DELETE FROM entry WHERE "index" = {effect_of(copy)}')


CASES: dict[str, tuple[Damage, Fault]] = {
    "the first row dropped": (drop(0), Fault("index", "index", 0, derived=False)),
    "a middle row dropped": (drop(TILED), Fault("index", "index", TILED, derived=False)),
    "a row of the tail dropped": (drop(TAIL), Fault("index", "index", TAIL, derived=False)),
    "the last row dropped": (
        drop(SIZE - 1),
        Fault("checkpoint", "size", SIZE - 1, derived=False, verdict="incomplete", exit_code=3),
    ),
    "all rows dropped": (
        add("DELETE FROM entry"),
        Fault("checkpoint", "size", 0, derived=False, verdict="incomplete", exit_code=3),
    ),
    "two rows swapped": (swap(900, TILED), Fault("leaf", "entry", 900, derived=False)),
    "two rows of the tail swapped": (
        swap(TAIL, TAIL + 9),
        Fault("place", "index", TAIL, derived=False),
    ),
    "an effect dropped": (drop_an_effect, Fault("index", "index", None, derived=False)),
    "an entry of another stream": (
        spliced(TILED, 1_100),
        Fault("leaf", "entry", TILED, derived=False),
    ),
    "an entry of another stream in the tail": (
        spliced(TAIL, SIZE - 1),
        Fault("place", "index", TAIL, derived=False),
    ),
    "another time": (other_time(TILED), Fault("leaf", "entry", TILED, derived=False)),
    # Nobody signed it and no hash of it is left: the root alone says that something is wrong.
    "another time in the tail": (other_time(SIZE - 1), Fault("root", "root", None, derived=False)),
    "a command forgotten": (
        add('DELETE FROM command WHERE "index" = 1900'),
        Fault("stored", "command", TAIL),
    ),
    "a command made up": (
        lambda copy: copy.run(
            "INSERT INTO command VALUES ('shop', 'x', :digest, 1001)", digest=bytes(32)
        ),
        Fault("stored", "command", 1001),
    ),
    "a key forgotten": (
        add('DELETE FROM registered_key WHERE "index" = 4'),
        Fault("stored", "registered_key", 4),
    ),
    "a key made up": (
        lambda copy: copy.run("INSERT INTO registered_key VALUES (:id, 'eve', 77)", id=bytes(32)),
        Fault("stored", "registered_key", 77),
    ),
    "a box forgotten": (
        add('DELETE FROM disclosure WHERE "index" = 1900'),
        Fault("stored", "disclosure", TAIL),
    ),
    "a box made up": (
        lambda copy: copy.run("INSERT INTO disclosure VALUES (5, 'n', 's', :box)", box=bytes(40)),
        Fault("stored", "disclosure", 5),
    ),
    "a parcel made up": (
        lambda copy: copy.run(
            "INSERT INTO parcel VALUES (:order, 1, :digest, :bytes)",
            order="01930000-0000-7000-8000-0000000000fe",
            digest=bytes(32),
            bytes=bytes(80),
        ),
        Fault("stored", "parcel"),
    ),
    "no head": (add("DELETE FROM head"), Fault("stored", "head")),
    "a second head": (
        add("INSERT INTO head VALUES (2, 0, NULL, 0)"),
        Fault("stored", "head"),
    ),
    "a tile forgotten": (
        add("DELETE FROM tile WHERE number = 2 AND level = 0"),
        Fault("stored", "tile.number"),
    ),
    "a tile made up": (
        lambda copy: copy.run("INSERT INTO tile VALUES (1, 7, :hashes)", hashes=bytes(8192)),
        Fault("stored", "tile"),
    ),
    "an owner forgotten": (
        add("DELETE FROM view_ownership WHERE from_index = 900"),
        Fault("stored", "view_ownership", 900),
    ),
    "an owner made up": (
        add("INSERT INTO view_ownership VALUES ('cards/x', 'eve', 0, 9000, NULL, 1, NULL)"),
        Fault("stored", "view_ownership", 9000),
    ),
    "a history forgotten": (
        add("DELETE FROM view_history"),
        Fault("stored", "view_history", None),
    ),
    "views that claim too much": (
        add("UPDATE view_position SET size = 2001"),
        Fault("stored", "view_position.size"),
    ),
    "views that hide what they show": (
        add("UPDATE view_position SET size = 1000"),
        Fault("stored", "view_history", TILED),
    ),
}
# Found by the test itself, since it depends on the market.
BY_MARKET: dict[str, Callable[[Copy], int]] = {
    "an effect dropped": effect_of,
    "a history forgotten": lambda copy: copy.market.index_of("item-registered/1"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_changed_set_of_rows_is_found_and_its_place_named(copy: Copy, name: str) -> None:
    damage, wanted = CASES[name]
    damage(copy)
    report = copy.audit()
    fault = report.fault or {}
    index = BY_MARKET[name](copy) if name in BY_MARKET else wanted.index
    found = (fault.get("step"), fault.get("field"), fault.get("index"), fault.get("derived"))
    assert (report.verdict, report.exit_code, *found) == (
        wanted.verdict,
        wanted.exit_code,
        wanted.step,
        wanted.field,
        index,
        wanted.derived,
    )
    record("tamper cases", 1, unit="cases")
