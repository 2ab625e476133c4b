"""One bit of a stored row is flipped: nothing is signed or decided on what the ledger finds there.

Nor is a client told that its command is at fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.application import Accepted
from ledger.record.errors import EntryDamaged
from ledger.record.facts import SealedEntry
from tests.databases import sqlite_file_url
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "flipped") as opened:
        opened.register("shop")
        opened.register("ann")
        opened.open_namespace("cards", "shop")
        opened.register_item("cards/1")
        yield opened


def flipped(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


def damaged_last(world: World, column: str) -> SealedEntry:
    stored = world.recorder.entry_at(world.size() - 1)
    assert stored is not None
    return stored._replace(**{column: flipped(getattr(stored, column))})


@pytest.mark.parametrize("column", ["leaf", "entry"])
def test_a_retry_gets_no_receipt_for_a_row_that_was_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    sent = world.submission(world.transfer_draft("cards/1", to="ann"))
    (accepted,) = world.send(sent)
    assert isinstance(accepted, Accepted)
    damaged = damaged_last(world, column)
    with monkeypatch.context() as patch:
        patch.setattr(world.recorder, "entry_at", lambda _index: damaged)

        with pytest.raises(EntryDamaged) as refused:
            world.send(sent)

    assert refused.value.place == f"entry {accepted.index}"
    assert refused.value.reason == "its bytes do not have its leaf hash"
    (again,) = world.send(sent)
    assert isinstance(again, Accepted)
    assert (again.leaf, again.again) == (accepted.leaf, True)


@pytest.mark.parametrize("column", ["leaf", "entry"])
def test_a_writer_that_starts_on_a_damaged_last_entry_stops(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    damaged = damaged_last(world, column)
    monkeypatch.setattr(type(world.recorder), "entry_at", lambda _self, _index: damaged)

    with (
        pytest.raises(EntryDamaged) as refused,
        World.join(sqlite_file_url(tmp_path), "flipped", process="second"),
    ):
        pass

    assert refused.value.place == f"entry {world.size() - 1}"


@pytest.mark.parametrize(("old", "new"), [(b'"owner":"shop"', b'"owner":"shot"'), (b"{", b"z")])
def test_nothing_is_decided_on_a_stream_that_was_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes
) -> None:
    """Whether or not the changed bytes are an entry still."""
    sent = world.submission(world.transfer_draft("cards/1", to="ann"))
    (stored,) = world.recorder.stream_entries("item/cards/1")
    assert old in stored.entry
    changed = stored._replace(entry=stored.entry.replace(old, new, 1))
    world.ledger._tip.forget()
    with monkeypatch.context() as patch:
        patch.setattr(world.recorder, "entries_of_streams", lambda _names: [changed])

        with pytest.raises(EntryDamaged) as refused:
            world.send(sent)

    assert refused.value.place == f"entry {stored.index}"
    (outcome,) = world.send(sent)
    assert isinstance(outcome, Accepted)


def test_the_library_reads_no_damaged_stream_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stored,) = world.recorder.select_events("item/cards/1")
    unreadable = replace(stored, state=flipped(stored.state))
    monkeypatch.setattr(world.recorder, "select_events", lambda *_args, **_more: [unreadable])

    with pytest.raises(EntryDamaged, match="entry 0 of stream item/cards/1 is damaged"):
        world.ledger.repository.get("item/cards/1")


def test_a_key_whose_registration_was_changed_is_no_fault_of_the_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = world.submission(world.transfer_draft("cards/1", to="ann"))
    key = world.recorder.find_key(bytes.fromhex(world.key("ann").key_id))
    assert key is not None
    stored = world.recorder.entry_at(key.index)
    assert stored is not None
    damaged = stored._replace(entry=flipped(stored.entry))
    world.ledger._keys._kept.clear()
    monkeypatch.setattr(world.recorder, "entry_at", lambda _index: damaged)

    with pytest.raises(EntryDamaged) as refused:
        world.ledger.prepare(sent)

    assert refused.value.place == f"entry {key.index}"
