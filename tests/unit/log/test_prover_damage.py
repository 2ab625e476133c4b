"""A damaged record gives no proof."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ledger.log.errors import (
    EntryMissing,
    ReadBackDiffers,
    RootDiffers,
)
from ledger.log.prover import Prover
from ledger.log.reader import LogReader
from ledger.record.facts import SealedEntry
from ledger.record.tables import ENTRY
from ledger.rules.canonical import encode
from tests.unit.log.making import damage, flip
from tests.unit.proof.oracle import slow_leaf, slow_root
from tests.worlds import World


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    """Entry 0 with its four effects (0-4), a shop, three members and a namespace (5-9)."""
    with World.create(sqlite_url, "prover") as opened:
        for party in ("shop", "bob", "eve", "zoe"):
            opened.register(party)
        opened.open_namespace("cards", "shop")
        yield opened


def row_at(world: World, index: int) -> SealedEntry:
    row = world.recorder.entry_at(index)
    assert row is not None
    return row


def test_no_proof_from_a_tree_with_another_root(world: World) -> None:
    world.register_item("cards/1")
    world.publish()
    leaves = world.recorder.leaves(0, world.size())
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == 8, leaf=flip(leaves[8]))

    with pytest.raises(RootDiffers) as refused:
        world.prover.prove("cards/1")

    assert (refused.value.size, refused.value.signed) == (world.size(), slow_root(leaves))


def test_no_proof_from_an_entry_with_another_leaf(world: World) -> None:
    world.register_item("cards/1")
    world.publish()
    row = row_at(world, 5)
    broken = flip(row.entry, 800)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == 5, entry=broken)

    with pytest.raises(ReadBackDiffers) as refused:
        world.prover.prove("cards/1")

    assert (refused.value.index, refused.value.field) == (5, "leaf")
    assert (refused.value.expected, refused.value.found) == (slow_leaf(broken), row.leaf)


def test_no_proof_from_an_entry_that_is_not_the_one_in_the_tree(world: World) -> None:
    """Entry and leaf column agree, a stored tile does not."""
    world.register_item("cards/1")
    drafts = [world.item_draft(f"cards/{number}") for number in range(100, 350)]
    world.send(*(world.submission(draft) for draft in drafts))
    world.publish()
    row = row_at(world, 10)
    document = json.loads(row.entry) | {"at": "2020-01-01T00:00:00.000000Z"}
    raw = encode(document)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == 10, entry=raw, leaf=slow_leaf(raw))

    with pytest.raises(ReadBackDiffers) as refused:
        world.prover.prove("cards/1")

    assert (refused.value.index, refused.value.field) == (10, "leaf")
    assert (refused.value.expected, refused.value.found) == (slow_leaf(raw).hex(), row.leaf)


class Without(LogReader):
    """A reader that cannot find one entry by its index."""

    lost = -1

    def entry(self, index: int) -> SealedEntry | None:
        return None if index == self.lost else super().entry(index)


def test_no_proof_without_a_cause(world: World) -> None:
    world.register_item("cards/1")
    world.publish()
    reader = Without(world.recorder)
    reader.lost = 0

    with pytest.raises(EntryMissing) as refused:
        Prover(reader).prove("cards/1")

    assert refused.value.index == 0


class Elsewhere(LogReader):
    """A reader that finds another entry than the one that was asked for."""

    def entry(self, index: int) -> SealedEntry | None:
        return super().entry(index + 5)


def test_no_proof_with_another_cause(world: World) -> None:
    world.register_item("cards/1")
    world.publish()

    with pytest.raises(ReadBackDiffers) as refused:
        Prover(Elsewhere(world.recorder)).prove("cards/1")

    assert refused.value.field == "cause"
    assert refused.value.found == row_at(world, 0).leaf.hex()
    assert refused.value.expected == row_at(world, 5).leaf.hex()
