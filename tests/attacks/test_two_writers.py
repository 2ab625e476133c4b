"""Two processes write to one ledger: neither decides on what the other changed long ago."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.application import Accepted
from ledger.record.errors import DatabaseUnavailable, HeadMoved
from ledger.record.facts import HeadRow, SealedEntry
from ledger.rules.compose import Draft
from ledger.rules.errors import NotOwner, StaleExpectation, UnknownParty
from tests.databases import sqlite_file_url
from tests.worlds import SECOND_US, World

ITEM, STREAM = "cards/1", "item/cards/1"


@pytest.fixture
def first(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "two") as world:
        for party in ("shop", "ann", "bob"):
            world.register(party)
        world.open_namespace("cards", "shop")
        world.register_item(ITEM)
        yield world


@pytest.fixture
def second(first: World, tmp_path: Path) -> Iterator[World]:
    """Another process, which knows the item as it is now."""
    with World.join(sqlite_file_url(tmp_path), "two", process="second") as world:
        for name in ("shop", "ann", "bob"):
            world.key(name)
        world.clock.advance(60 * SECOND_US)
        assert world.item(ITEM).owner == "shop"
        yield world


def test_a_writer_does_not_refuse_on_a_state_that_another_one_changed(
    first: World, second: World
) -> None:
    first.transfer(ITEM, to="ann")
    places = [second.signs("ann", "owner"), second.signs("bob", "recipient")]
    body = {"item": ITEM, "price": None}
    draft = Draft("transfer-item/1", "ann", places, body, {STREAM: first.head(STREAM)})

    (outcome,) = second.send(second.submission(draft))

    assert isinstance(outcome, Accepted)
    assert second.item(ITEM).owner == "bob"


def test_the_same_bytes_sent_to_another_writer_are_answered_with_the_entry_there_is(
    first: World, second: World
) -> None:
    """The other writer recorded it after this one read the head last."""
    sent = first.submission(first.transfer_draft(ITEM, to="ann"))
    (accepted,) = first.send(sent)

    (again,) = second.send(sent)

    assert isinstance(accepted, Accepted)
    assert isinstance(again, Accepted)
    assert (again.index, again.leaf, again.again) == (accepted.index, accepted.leaf, True)


def test_a_command_that_another_writer_recorded_does_not_spoil_the_batch_it_is_sent_in(
    first: World, second: World
) -> None:
    sent = first.submission(first.transfer_draft(ITEM, to="ann"))
    (accepted,) = first.send(sent)
    new = second.submission(second.item_draft("cards/2"))

    again, fresh = second.send(sent, new)

    assert isinstance(accepted, Accepted)
    assert isinstance(again, Accepted)
    assert isinstance(fresh, Accepted)
    assert (again.index, again.leaf) == (accepted.index, accepted.leaf)
    assert fresh.index == accepted.index + 1


def test_a_writer_does_not_call_a_party_unknown_that_another_one_registered(
    first: World, second: World
) -> None:
    stream = "namespace/maps"
    assert second.ledger.stream("party/zoe") is None
    first.register("zoe")
    second.key("zoe")
    places = [second.signs("operator", "root"), second.signs("zoe", "owner")]
    draft = Draft("open-namespace/1", "operator", places, {"namespace": "maps"}, {stream: None})

    (outcome,) = second.send(second.submission(draft))

    assert isinstance(outcome, Accepted)


def test_a_refusal_that_holds_names_the_state_of_now(first: World, second: World) -> None:
    old = second.head(STREAM)
    accepted = first.transfer(ITEM, to="ann")
    places = [second.signs("shop", "owner"), second.signs("bob", "recipient")]
    body = {"item": ITEM, "price": None}

    late = Draft("transfer-item/1", "shop", places, body, {STREAM: old})
    (stale,) = second.send(second.submission(late))
    thief = Draft("transfer-item/1", "shop", places, body, {STREAM: accepted.leaf.hex()})
    (other,) = second.send(second.submission(thief))

    assert isinstance(stale, StaleExpectation)
    assert stale.evidence["found"] == accepted.leaf.hex()
    assert isinstance(other, NotOwner)
    assert other.evidence["owner"] == "ann"


def test_a_refusal_is_no_reason_to_lose_what_stands_beside_it(first: World) -> None:
    places = [first.signs("operator", "root"), first.signs("ann", "owner")]
    good = Draft("open-namespace/1", "operator", places, {"namespace": "a"}, {"namespace/a": None})
    nobody = [first.signs("operator", "root"), first.signs("ann", "owner")]
    nobody[1] = type(nobody[1])("nobody", "owner", nobody[1].key)
    bad = Draft("open-namespace/1", "operator", nobody, {"namespace": "b"}, {"namespace/b": None})
    ring = (first.key("operator"), first.key("ann"))

    outcomes = first.send(first.submission(bad, *ring), first.submission(good))

    assert [type(each) for each in outcomes] == [UnknownParty, Accepted]


def test_what_was_committed_is_never_answered_with_an_error_of_the_database(
    first: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of something new and something known: the known leaf is read before the commit."""
    known = first.submission(first.item_draft("cards/2"))
    (before,) = first.send(known)
    fresh = first.submission(first.item_draft("cards/3"))
    size = first.size()

    def gone(index: int) -> SealedEntry | None:
        if first.size() > size:
            raise DatabaseUnavailable("sqlite", "gone after the commit")
        return read(index)

    read = first.recorder.entry_at
    monkeypatch.setattr(first.recorder, "entry_at", gone)
    again, added = first.send(known, fresh)

    assert isinstance(before, Accepted)
    assert isinstance(again, Accepted)
    assert isinstance(added, Accepted)
    assert (again.again, again.index, again.leaf) == (True, before.index, before.leaf)
    assert (added.again, added.index) == (False, size)


def test_no_receipt_is_given_for_what_went_with_the_primary_that_had_it(
    first: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look-up and the wait for the replica, a replica without it took over."""
    sent = first.submission(first.transfer_draft(ITEM, to="ann"))
    (accepted,) = first.send(sent)
    assert isinstance(accepted, Accepted)
    head, waited = first.recorder.head(), []

    def settle(asked: HeadRow) -> None:
        waited.append(asked)
        if len(waited) == 1:
            raise HeadMoved(expected=asked, found=asked)

    monkeypatch.setattr(first.recorder, "settle", settle)

    (again,) = first.send(sent)

    assert isinstance(again, Accepted)
    assert (again.index, again.again) == (accepted.index, True)
    # Refused, it was looked up again and waited for again.
    assert waited == [head, head]


def test_a_command_whose_entry_went_with_its_primary_is_looked_up_again(
    first: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = first.submission(first.transfer_draft(ITEM, to="ann"))
    (accepted,) = first.send(sent)
    assert isinstance(accepted, Accepted)
    really, asked = first.recorder.entry_at, []

    def entry_at(index: int) -> SealedEntry | None:
        asked.append(index)
        return None if len(asked) == 1 else really(index)

    monkeypatch.setattr(first.recorder, "entry_at", entry_at)

    (again,) = first.send(sent)

    assert isinstance(again, Accepted)
    assert (again.index, again.again) == (accepted.index, True)
