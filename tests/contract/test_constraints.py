"""Unique keys and sizes hold inside the database, behind the head row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eventsourcing.persistence import IntegrityError

from ledger.record.database import writing
from ledger.record.errors import DuplicateCommand
from ledger.record.facts import Batch, CommandKey, KeyRow, ParcelRow, SealedEntry, Tile
from ledger.record.inserting import insert_rows
from ledger.record.recorder import LedgerRecorder
from ledger.record.tables import ENTRY
from tests.contract.making import digest, fill, make_batch, make_entry, write


def next_batch(recorder: LedgerRecorder, **changes: object) -> Batch:
    head = recorder.head()
    return make_batch(head, make_entry(head.size)._replace(**changes))


def check_refused_plainly(recorder: LedgerRecorder, batch: Batch) -> None:
    before = recorder.head()
    with pytest.raises(IntegrityError) as refused:
        write(recorder, batch)
    assert type(refused.value) is IntegrityError
    assert recorder.head() == before
    assert recorder.entry_at(before.size) is None


def test_an_index_is_taken_once(recorder: LedgerRecorder) -> None:
    """Without the head row in the way: rows are put under it directly."""
    fill(recorder, 1)
    twin = make_entry(0)._replace(stream="item/shop/2", leaf=digest("twin"))
    row = (twin.index, twin.stream, twin.seq, twin.type, twin.leaf, twin.command, twin.entry)

    with pytest.raises(IntegrityError), writing(recorder.engine) as connection:
        insert_rows(connection, ENTRY, [row])

    assert recorder.entry_at(0) == make_entry(0)


def test_a_position_in_a_stream_is_taken_once(adapter: LedgerRecorder) -> None:
    fill(adapter, 2)

    check_refused_plainly(adapter, next_batch(adapter, seq=1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"leaf": bytes(31)}, id="short leaf"),
        pytest.param({"command": bytes(33)}, id="long command digest"),
        pytest.param({"entry": bytes(65_536)}, id="entry over 65,535 bytes"),
    ],
)
def test_a_wrong_size_is_refused(adapter: LedgerRecorder, change: dict[str, bytes]) -> None:
    batch = replace(next_batch(adapter, **change), commands=())

    check_refused_plainly(adapter, batch)


def test_an_entry_of_the_largest_size_is_taken(adapter: LedgerRecorder) -> None:
    write(adapter, next_batch(adapter, entry=bytes(65_535)))

    assert adapter.entry_at(0) == make_entry(0)._replace(entry=bytes(65_535))


def test_a_command_id_is_recorded_once_and_the_error_says_where(adapter: LedgerRecorder) -> None:
    fill(adapter, 2)
    again = CommandKey("party/ann", "id-1", digest("other"), 2)
    batch = replace(next_batch(adapter), commands=(again,))

    with pytest.raises(DuplicateCommand) as refused:
        write(adapter, batch)

    assert refused.value.found == CommandKey("party/ann", "id-1", digest("command", 1), 1)
    assert adapter.head().size == 2


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(("party/bob", "id-9", digest("other"), 0), id="index"),
        pytest.param(("party/bob", "id-9", bytes(31), 1), id="digest of another size"),
    ],
)
def test_an_entry_carries_one_command(
    adapter: LedgerRecorder, key: tuple[str, str, bytes, int]
) -> None:
    fill(adapter, 1)

    check_refused_plainly(adapter, replace(next_batch(adapter), commands=(CommandKey(*key),)))


def test_one_id_is_free_for_each_party(adapter: LedgerRecorder) -> None:
    fill(adapter, 1)
    theirs = CommandKey("party/bob", "id-0", digest("other"), 1)

    write(adapter, replace(next_batch(adapter), commands=(theirs,)))

    assert adapter.find_command("party/bob", "id-0") == theirs


@pytest.mark.parametrize(
    "key",
    [
        pytest.param((digest("key"), "party/bob", 1), id="key"),
        pytest.param((digest("other"), "party/bob", 0), id="index"),
        pytest.param((bytes(31), "party/bob", 1), id="key id of another size"),
    ],
)
def test_a_public_key_is_registered_once(
    adapter: LedgerRecorder, key: tuple[bytes, str, int]
) -> None:
    first = KeyRow(digest("key"), "party/ann", 0)
    write(adapter, replace(next_batch(adapter), keys=(first,)))

    check_refused_plainly(adapter, replace(next_batch(adapter), keys=(KeyRow(*key),)))

    assert adapter.find_key(digest("key")) == first


def test_one_box_a_field(adapter: LedgerRecorder) -> None:
    batch = make_batch(adapter.head(), make_entry(0), boxes=True)

    check_refused_plainly(adapter, replace(batch, disclosures=batch.disclosures * 2))


def test_one_parcel_a_line(adapter: LedgerRecorder) -> None:
    first = ParcelRow("order", 1, digest("one"), b"one")
    write(adapter, replace(next_batch(adapter), parcels=(first,)))
    other = first._replace(digest=digest("other"), parcel=b"other")

    check_refused_plainly(adapter, replace(next_batch(adapter), parcels=(other,)))

    assert adapter.parcel("order", 1) == first


@pytest.mark.parametrize("change", [{"digest": bytes(31)}, {"parcel": bytes(32_769)}])
def test_a_parcel_of_a_wrong_size_is_refused_on_every_database(
    recorder: LedgerRecorder, change: dict[str, bytes]
) -> None:
    row = ParcelRow("order", 1, digest("one"), bytes(32_768))
    batch = next_batch(recorder)

    check_refused_plainly(recorder, replace(batch, parcels=(row._replace(**change),)))

    write(recorder, replace(batch, parcels=(row,)))
    assert recorder.parcel("order", 1) == row


def test_a_batch_of_two_writes_neither_when_the_second_is_refused(
    adapter: LedgerRecorder,
) -> None:
    first, second = make_entry(0), make_entry(1)._replace(seq=0)

    check_refused_plainly(adapter, make_batch(adapter.head(), first, second))


def test_only_full_tiles_are_stored(adapter: LedgerRecorder) -> None:
    with pytest.raises(IntegrityError, match="tile_full"):
        adapter.put_tiles([Tile(0, 0, bytes(8192)), Tile(0, 1, bytes(8160))])

    assert adapter.tile(0, 0) is None


def test_a_stored_entry_comes_back_as_it_was(adapter: LedgerRecorder) -> None:
    text = '{"name":"印证 \\u0000"}'
    entry = SealedEntry(0, "item/店/1", 0, "t/1", digest(1), digest(2), text.encode())

    write(adapter, make_batch(adapter.head(), entry))

    assert adapter.entry_at(0) == entry
