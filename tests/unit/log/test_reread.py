"""Never sign what was not re-read: every stored value that is changed stops the publisher."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete

from ledger.log.errors import (
    EntryMissing,
    HeadBehind,
    MemberSignatureLost,
    RootDiffers,
)
from ledger.record.database import writing
from ledger.record.tables import ENTRY, HEAD
from ledger.rules.canonical import encode
from ledger.rules.digests import command_digest
from ledger.rules.entries import read_entry
from tests.unit.log.damaged import (
    EFFECT,
    LAST,
    OWN,
    PUBLISHED,
    facts,
    publish_damaged,
    refused_by,
    row_at,
)
from tests.unit.log.making import damage, flip, rewrite_last, unguard
from tests.unit.proof.oracle import slow_leaf
from tests.worlds import World


@pytest.mark.parametrize("index", [OWN, EFFECT, LAST])
def test_a_flipped_bit_of_a_leaf_is_found(world: World, index: int) -> None:
    leaf = row_at(world, index).leaf
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, leaf=flip(leaf, 77))

    assert facts(publish_damaged(world)) == (index, "leaf", leaf, flip(leaf, 77))


@pytest.mark.parametrize("index", [OWN, EFFECT, LAST])
@pytest.mark.parametrize("place", [0, 1, 999, 2048])
def test_a_flipped_bit_of_an_entry_is_found(world: World, index: int, place: int) -> None:
    row = row_at(world, index)
    broken = flip(row.entry, place % (8 * len(row.entry)))
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, entry=broken)

    assert facts(publish_damaged(world)) == (index, "leaf", slow_leaf(broken), row.leaf)


@pytest.mark.parametrize("index", [OWN, EFFECT, LAST])
@pytest.mark.parametrize(
    ("column", "value"),
    [("stream", "item/cards/3"), ("seq", 77), ("type", "item-frozen/1")],
)
def test_a_changed_column_is_found(world: World, index: int, column: str, value: Any) -> None:
    right = getattr(row_at(world, index), column)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, **{column: value})

    assert facts(publish_damaged(world)) == (index, column, right, value)


@pytest.mark.parametrize("index", [OWN, EFFECT, LAST])
def test_a_flipped_bit_of_a_command_digest_is_found(world: World, index: int) -> None:
    digest = row_at(world, index).command
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, command=flip(digest, 9))

    assert facts(publish_damaged(world)) == (index, "command", digest, flip(digest, 9))


@pytest.mark.parametrize("index", [OWN, OWN + 1, EFFECT, LAST])
def test_a_lost_entry_is_missed(world: World, index: int) -> None:
    unguard(world.recorder.engine)
    with writing(world.recorder.engine) as connection:
        connection.execute(delete(ENTRY).where(ENTRY.c.index == index))

    with pytest.raises(EntryMissing) as refused:
        refused_by(world).publish()

    assert refused.value.index == index
    assert world.reader.published_size() == PUBLISHED


def test_an_entry_under_another_index_is_missed(world: World) -> None:
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == OWN, index=99)

    with pytest.raises(EntryMissing) as refused:
        refused_by(world).publish()

    assert refused.value.index == OWN


def test_the_entry_before_the_first_new_one_is_read_back_too(world: World) -> None:
    unguard(world.recorder.engine)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == PUBLISHED - 1, type="item-frozen/1")

    assert facts(publish_damaged(world)) == (
        PUBLISHED - 1,
        "type",
        "key-added/1",
        "item-frozen/1",
    )


def test_the_head_must_name_the_last_leaf(world: World) -> None:
    leaf = row_at(world, LAST).leaf
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, leaf=flip(leaf))

    assert facts(publish_damaged(world)) == (LAST, "head", leaf, flip(leaf))


def test_a_head_that_counts_too_many_is_found(world: World) -> None:
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, size=LAST + 2)

    with pytest.raises(EntryMissing) as refused:
        refused_by(world).publish()

    assert refused.value.index == LAST + 1


def test_a_head_inside_a_command_is_found(world: World) -> None:
    leaf = row_at(world, EFFECT - 1).leaf
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, size=EFFECT, leaf=leaf)

    assert facts(publish_damaged(world)) == (OWN, "effects", 2, 1)


def test_a_head_behind_the_checkpoint_is_found(world: World) -> None:
    leaf = row_at(world, PUBLISHED - 2).leaf
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, size=PUBLISHED - 1, leaf=leaf)

    with pytest.raises(HeadBehind) as refused:
        refused_by(world).publish()

    assert (refused.value.size, refused.value.published) == (PUBLISHED - 1, PUBLISHED)


# What was changed before it was hashed: only signatures, links and places can show it


def test_a_changed_time_before_the_last_one_is_found(world: World) -> None:
    before = read_entry(row_at(world, LAST - 1).entry).at
    index = rewrite_last(world, {"at": "2020-01-01T00:00:00.000000Z"})

    found = publish_damaged(world)

    assert (found.index, found.field, found.expected) == (index, "at", before)


@pytest.mark.parametrize(
    ("field", "value"),
    [("log", "another.log/x"), ("seq", 7), ("prev", "ab" * 32), ("prev", None), ("index", 99)],
)
def test_a_changed_place_is_found(world: World, field: str, value: Any) -> None:
    right = read_entry(row_at(world, LAST).entry).document[field]
    index = rewrite_last(world, {field: value})

    expected, found = (value, right) if field == "index" else (right, value)
    assert facts(publish_damaged(world)) == (index, field, expected, found)


def test_a_first_entry_that_names_another_before_it_is_found(world: World) -> None:
    world.register_item("cards/7")
    index = rewrite_last(world, {"prev": "ab" * 32})

    assert facts(publish_damaged(world)) == (index, "prev", None, "ab" * 32)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"effect": 1}, 2), ({"effect": 3}, 2)],
)
def test_a_changed_effect_number_is_found(
    world: World, changes: dict[str, Any], expected: int
) -> None:
    world.import_sale("cards/8", seller="ann", buyer="joe")
    index = rewrite_last(world, changes)

    assert facts(publish_damaged(world)) == (index, "effect", expected, changes["effect"])


def test_an_effect_of_another_cause_is_found(world: World) -> None:
    world.import_sale("cards/8", seller="ann", buyer="joe")
    cause = row_at(world, world.size() - 3).leaf.hex()
    index = rewrite_last(world, {"cause": "ab" * 32})

    assert facts(publish_damaged(world)) == (index, "cause", cause, "ab" * 32)


def test_an_effect_without_any_cause_is_found(sqlite_url: str) -> None:
    with World.create(sqlite_url, "orphan") as world:
        world.publish()
        effect = read_entry(row_at(world, 4).entry).document
        world.register("shop")
        own = read_entry(row_at(world, 5).entry).document
        changes = {name: effect[name] for name in ("cause", "effect", "type", "data")}
        orphan = {name: own[name] for name in own if name not in {"command", "sigs", "effects"}}
        raw = encode(orphan | changes)
        damage(
            world.recorder.engine,
            ENTRY,
            ENTRY.c.index == 5,
            entry=raw,
            leaf=slow_leaf(raw),
            type=effect["type"],
        )

        assert facts(publish_damaged(world)) == (5, "cause", None, effect["cause"])


def test_more_effects_than_the_cause_counts_are_found(world: World) -> None:
    world.import_sale("cards/8", seller="ann", buyer="joe")
    first = world.size() - 3
    own = read_entry(row_at(world, first).entry).document | {"effects": 1}
    raw = encode(own)
    leaf = slow_leaf(raw)
    links = {"cause": leaf.hex(), "prev": leaf.hex()}
    one = encode(read_entry(row_at(world, first + 1).entry).document | links)
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == first, entry=raw, leaf=leaf)
    damage(
        world.recorder.engine,
        ENTRY,
        ENTRY.c.index == first + 1,
        entry=one,
        leaf=slow_leaf(one),
    )
    rewrite_last(world, {"cause": leaf.hex(), "prev": slow_leaf(one).hex()})

    assert facts(publish_damaged(world)) == (first, "effects", 2, 1)


@pytest.mark.parametrize(("effects", "then"), [(1, "register"), (3, "nothing")])
def test_effects_that_the_rules_do_not_know_are_found(
    world: World, effects: int, then: str
) -> None:
    index = rewrite_last(world, {"effects": effects})
    if then == "register":
        # The writer does not know yet; what it appends next follows the changed entry.
        world.ledger.refresh()
        world.register("eve")

    assert facts(publish_damaged(world)) == (index, "effects", 0, effects)


def test_a_changed_signature_is_found(world: World) -> None:
    sigs = list(read_entry(row_at(world, LAST).entry).sigs)
    index = rewrite_last(world, {"sigs": sigs[::-1]})

    with pytest.raises(MemberSignatureLost) as refused:
        refused_by(world).publish()

    assert refused.value.index == index
    assert refused.value.reason == "signature: the ed25519 signature does not hold"
    assert world.reader.published_size() == PUBLISHED


def test_a_missing_signature_is_found(world: World) -> None:
    sigs = list(read_entry(row_at(world, LAST).entry).sigs)
    index = rewrite_last(world, {"sigs": sigs[:1]})

    with pytest.raises(MemberSignatureLost) as refused:
        refused_by(world).publish()

    assert refused.value.index == index
    assert refused.value.reason == "signature: not one signature for each signer"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"by": "shop"}, "signature: the ed25519 signature does not hold"),
        ({"kind": "transfer-item/9"}, "no such command kind: transfer-item/9"),
    ],
)
def test_a_changed_command_is_found(world: World, changes: dict[str, Any], reason: str) -> None:
    command = read_entry(row_at(world, LAST).entry).document["command"] | changes
    digest = bytes.fromhex(command_digest(encode(command)))
    index = rewrite_last(world, {"command": command}, command=digest)

    with pytest.raises(MemberSignatureLost) as refused:
        refused_by(world).publish()

    assert (refused.value.index, refused.value.reason) == (index, reason)


def test_a_signers_key_that_no_longer_stands_in_its_stream_is_found(world: World) -> None:
    """The party's own entry was damaged long before: its bytes are read back as well."""
    (first,) = world.reader.stream_entries("party/bob")[:1]
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == first.index, leaf=flip(first.leaf))
    tampered = refused_by(world)
    assert first.index < PUBLISHED

    with pytest.raises(RootDiffers):
        # The leaf column of what is published is under the signed root.
        tampered.publish()

    damage(
        world.recorder.engine,
        ENTRY,
        ENTRY.c.index == first.index,
        leaf=first.leaf,
        entry=flip(first.entry, 500),
    )
    assert facts(publish_damaged(world)) == (
        first.index,
        "leaf",
        slow_leaf(flip(first.entry, 500)),
        first.leaf,
    )


def test_an_entry_of_an_unknown_type_is_not_signed(world: World) -> None:
    index = rewrite_last(world, {"type": "item-lost/1"})

    assert facts(publish_damaged(world)) == (index, "type", "a known type", "item-lost/1")


def test_bytes_that_are_no_entry_are_not_signed(world: World) -> None:
    raw = b'{"v": 1}'
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == LAST, entry=raw, leaf=slow_leaf(raw))

    found = publish_damaged(world)

    assert facts(found)[:3] == (LAST, "entry", "an entry")
    assert "second spelling" in str(found.found)
