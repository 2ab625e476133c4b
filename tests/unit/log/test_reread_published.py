"""Never sign on top of what was published and is damaged since."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from ledger.log.errors import (
    CheckpointDamaged,
    EntryMissing,
    ReadBackDiffers,
    RootDiffers,
)
from ledger.record.database import reading, writing
from ledger.record.errors import TileConflict
from ledger.record.facts import Tile
from ledger.record.tables import CHECKPOINT, ENTRY, TILE
from tests.unit.log.damaged import (
    EFFECT,
    LAST,
    PUBLISHED,
    refused_by,
    row_at,
)
from tests.unit.log.making import damage, flip, unguard
from tests.unit.proof.oracle import slow_root
from tests.worlds import World


def lose(world: World, index: int) -> None:
    unguard(world.recorder.engine)
    with writing(world.recorder.engine) as connection:
        connection.execute(delete(ENTRY).where(ENTRY.c.index == index))


def test_a_flipped_bit_of_the_last_checkpoint_is_found(world: World) -> None:
    note = world.reader.checkpoint()
    assert note is not None
    where = CHECKPOINT.c.size == PUBLISHED
    damage(world.recorder.engine, CHECKPOINT, where, note=flip(note, 8 * (len(note) - 9)))

    with pytest.raises(CheckpointDamaged) as refused:
        refused_by(world).publish()

    assert refused.value.size == PUBLISHED
    assert "signature" in refused.value.reason


def test_a_checkpoint_under_another_size_is_found(world: World) -> None:
    damage(world.recorder.engine, CHECKPOINT, CHECKPOINT.c.size == PUBLISHED, size=PUBLISHED - 1)

    with pytest.raises((CheckpointDamaged, RootDiffers)) as refused:
        refused_by(world).publish()

    assert isinstance(refused.value, CheckpointDamaged)
    assert refused.value.size == PUBLISHED - 1
    assert refused.value.reason == f"its note says {PUBLISHED}"


@pytest.mark.parametrize("index", [0, 5, PUBLISHED - 1])
def test_a_flipped_leaf_under_the_last_checkpoint_is_found(world: World, index: int) -> None:
    leaves = world.recorder.leaves(0, PUBLISHED)
    signed = slow_root(leaves)
    leaves[index] = flip(leaves[index], 255)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, leaf=leaves[index])

    with pytest.raises(RootDiffers) as refused:
        refused_by(world).publish()

    assert (refused.value.size, refused.value.signed) == (PUBLISHED, signed)
    assert refused.value.computed == slow_root(leaves)


@pytest.mark.parametrize("index", [0, 5, PUBLISHED - 1])
def test_a_lost_entry_under_the_last_checkpoint_is_missed(world: World, index: int) -> None:
    lose(world, index)

    with pytest.raises(EntryMissing) as refused:
        refused_by(world).publish()

    assert refused.value.index == index
    assert world.reader.published_size() == PUBLISHED


def test_the_entry_before_the_first_new_one_is_missed_behind_a_full_tile(world: World) -> None:
    drafts = [world.item_draft(f"cards/{number}") for number in range(300, 540)]
    world.send(*(world.submission(draft) for draft in drafts))
    world.publish()
    assert world.size() == 256
    world.register_item("cards/700")
    lose(world, 255)

    with pytest.raises(EntryMissing) as refused:
        refused_by(world).publish()

    assert refused.value.index == 255
    assert world.reader.published_size() == 256


def test_a_flipped_bit_of_a_full_tile_is_found(world: World) -> None:
    drafts = [world.item_draft(f"cards/{number}") for number in range(300, 550)]
    world.send(*(world.submission(draft) for draft in drafts))
    world.publish()
    size, root = world.size(), slow_root(world.recorder.leaves(0, world.size()))
    with reading(world.recorder.engine) as connection:
        hashes = connection.execute(select(TILE.c.hashes)).scalar_one()
    damage(world.recorder.engine, TILE, TILE.c.level == 0, hashes=flip(hashes, 8 * 8000))
    world.register_item("cards/700")

    with pytest.raises(RootDiffers) as refused:
        refused_by(world).publish()

    assert (refused.value.size, refused.value.signed) == (size, root)
    assert world.reader.published_size() == size


def test_a_wrong_tile_left_by_a_crash_stops_the_signature(sqlite_url: str) -> None:
    with World.create(sqlite_url, "tile") as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        drafts = [world.item_draft(f"cards/{number}") for number in range(250)]
        world.send(*(world.submission(draft) for draft in drafts))
        world.recorder.put_tiles([Tile(0, 0, bytes(8192))])

        with pytest.raises(TileConflict) as refused:
            refused_by(world).publish()

        assert (refused.value.level, refused.value.number) == (0, 0)
        assert world.reader.published_size() == 0


def test_a_publisher_that_was_refused_checks_everything_again(world: World) -> None:
    leaf = row_at(world, EFFECT).leaf
    publisher = refused_by(world)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == EFFECT, leaf=flip(leaf))
    with pytest.raises(ReadBackDiffers):
        publisher.publish()

    damage(world.recorder.engine, ENTRY, ENTRY.c.index == EFFECT, leaf=leaf)

    assert publisher.publish() is not None
    assert world.reader.published_size() == LAST + 1


def test_heads_and_parties_are_read_again_when_they_were_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.log.stored_state._STREAMS_KEPT", 1)
    world.register("eve")
    world.transfer("cards/1", to="eve")
    world.transfer("cards/1", to="bob")

    assert refused_by(world).publish() is not None
