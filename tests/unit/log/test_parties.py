"""Parties as they stand: whoever wrote last, and whatever the database was put back to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.log.errors import ReadBackDiffers
from ledger.log.parties import Parties
from ledger.record.database import writing
from ledger.record.recorder import LedgerRecorder
from tests.databases import sqlite_file_url
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "parties") as made:
        for party in ("ann", "bob"):
            made.register(party)
        yield made


def test_a_party_is_found_by_its_key(world: World) -> None:
    found = Parties(world.recorder).of_key(world.key("ann").key_id)

    assert found == world.party("ann")


def test_a_founder_is_found_with_its_role(world: World) -> None:
    found = Parties(world.recorder).of_key(world.key("operator").key_id)

    assert found is not None
    assert (found.party, found.holds("root")) == ("operator", True)


def test_a_key_that_nobody_has_is_nobodys(world: World) -> None:
    parties = Parties(world.recorder)

    assert parties.of_key(world.key("nobody").key_id) is None
    assert parties.party("nobody") is None


def test_what_was_written_since_is_seen(world: World) -> None:
    parties = Parties(world.recorder)
    key_id = world.key("ann").key_id
    before = parties.of_key(key_id)
    world.add_key("ann", "ann-2")
    world.revoke_key("ann", "ann")

    after = parties.of_key(key_id)

    assert before is not None
    assert after is not None
    assert [key.revoked for key in before.keys] == [False]
    assert [key.revoked for key in after.keys] == [True, False]
    assert after == world.party("ann")


def test_only_what_is_new_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parties, read = Parties(world.recorder), []
    for number in range(3):
        world.add_key("ann", f"ann-{number}")
    stream_entries = LedgerRecorder.stream_entries

    def counted(self: LedgerRecorder, *given: object, **named: object) -> list[object]:
        rows = stream_entries(self, *given, **named)  # type: ignore[arg-type]
        read.append(len(rows))
        return list(rows)

    monkeypatch.setattr(LedgerRecorder, "stream_entries", counted)
    parties.party("ann")
    world.add_key("ann", "ann-new")
    read.clear()
    for _ in range(2):
        parties.party("ann")

    # The entry that was folded last, and what follows it.
    assert read == [2, 1]


def test_a_database_that_was_put_back_is_read_anew(world: World, tmp_path: Path) -> None:
    parties = Parties(world.recorder)
    world.add_key("ann", "ann-2")
    assert parties.party("ann") == world.party("ann")
    (tmp_path / "older").mkdir()
    with World.create(sqlite_file_url(tmp_path / "older"), "parties") as older:
        older.register("ann")
        parties._record = older.recorder

        assert parties.party("ann") == older.party("ann")
        assert parties.party("bob") is None


def test_a_changed_entry_of_a_party_is_damage_and_no_party(world: World) -> None:
    index = world.party("ann").keys[0].since
    with writing(world.recorder.engine) as connection:
        connection.execute(text("DROP TRIGGER entry_no_update"))
        connection.execute(
            text('UPDATE entry SET leaf = :leaf WHERE "index" = :index'),
            {"leaf": bytes(32), "index": index},
        )

    with pytest.raises(ReadBackDiffers) as refused:
        Parties(world.recorder).of_key(world.key("ann").key_id)

    assert (refused.value.index, refused.value.field) == (index, "leaf")
