"""Reads of the record give what was written, bounded and in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.record.errors import ReadTooWide
from ledger.record.facts import CommandKey, Disclosure, KeyRow, ParcelRow
from ledger.record.reader import ROWS_MAX, LedgerReader
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import EMPTY, digest, fill, make_batch, make_entry, write

GOLD, IRON = "item/shop/gold", "item/shop/iron"


def fill_two_streams(recorder: LedgerRecorder) -> None:
    """gold, iron, gold, iron, gold."""
    entries = [make_entry(i, stream=(GOLD, IRON)[i % 2], seq=i // 2) for i in range(5)]
    write(recorder, make_batch(recorder.head(), *entries))


def test_a_range_has_its_start_and_not_its_stop(adapter: LedgerRecorder) -> None:
    fill(adapter, 5)

    assert adapter.entries(1, 3) == [make_entry(1), make_entry(2)]
    assert adapter.entries(3, 9) == [make_entry(3), make_entry(4)]
    assert adapter.entries(2, 2) == []
    assert adapter.leaves(1, 3) == [digest("leaf", 1), digest("leaf", 2)]
    assert adapter.leaves(4, 9) == [digest("leaf", 4)]


@pytest.mark.parametrize("read", ["entries", "leaves"])
@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (7, 7 + ROWS_MAX + 1)])
def test_a_range_that_is_no_range_is_refused(
    adapter: LedgerRecorder, read: str, start: int, stop: int
) -> None:
    with pytest.raises(ReadTooWide) as refused:
        getattr(adapter, read)(start, stop)

    evidence = (refused.value.start, refused.value.stop, refused.value.rows_max)
    assert evidence == (start, stop, ROWS_MAX)


def test_the_widest_range_is_taken(adapter: LedgerRecorder) -> None:
    fill(adapter, 1)

    assert adapter.entries(0, ROWS_MAX) == [make_entry(0)]


def test_beyond_the_size_there_is_no_entry(adapter: LedgerRecorder) -> None:
    fill(adapter, 2)

    assert adapter.entry_at(1) == make_entry(1)
    assert adapter.entry_at(2) is None
    assert adapter.max_notification_id() == 2


def test_a_stream_is_read_in_order_and_up_to_an_index(adapter: LedgerRecorder) -> None:
    fill_two_streams(adapter)

    def indices(**bounds: int) -> list[int]:
        return [entry.index for entry in adapter.stream_entries(GOLD, **bounds)]

    assert indices() == [0, 2, 4]
    assert indices(lte_index=3) == [0, 2]
    assert indices(lte_index=2) == [0, 2]
    assert indices(from_seq=1) == [2, 4]
    assert indices(limit=2) == [0, 2]
    assert indices(from_seq=1, limit=1) == [2]
    assert adapter.stream_entries("item/shop/none") == []


def test_the_entries_of_a_type_come_in_order_from_an_index_on(adapter: LedgerRecorder) -> None:
    entries = [
        make_entry(index)._replace(type="card-registered/1" if index % 2 else "item-registered/1")
        for index in range(6)
    ]
    write(adapter, make_batch(adapter.head(), *entries))

    assert adapter.entries_of_type("card-registered/1", 0, limit=9) == entries[1::2]
    assert adapter.entries_of_type("card-registered/1", 2, limit=1) == [entries[3]]
    assert adapter.entries_of_type("card-registered/1", 6, limit=9) == []
    assert adapter.entries_of_type("no-such-type/1", 0, limit=9) == []


def test_the_last_entry_of_a_stream_at_an_index(adapter: LedgerRecorder) -> None:
    fill_two_streams(adapter)

    def last(stream: str, **bounds: int) -> int | None:
        found = adapter.last_of_stream(stream, **bounds)
        return found.index if found else None

    assert last(IRON) == 3
    assert last(IRON, lte_index=3) == 3
    assert last(IRON, lte_index=2) == 1
    assert last(IRON, lte_index=0) is None
    assert last("item/shop/none") is None


def test_a_command_is_found_by_party_and_id(adapter: LedgerRecorder) -> None:
    fill(adapter, 2)

    found = adapter.find_command("party/ann", "id-1")

    assert found == CommandKey("party/ann", "id-1", digest("command", 1), 1)
    assert adapter.find_command("party/bob", "id-1") is None
    assert adapter.find_command("party/ann", "id-2") is None


# The numbers around the places that a statement has: powers of two, and at most 256.
@pytest.mark.parametrize("count", [1, 2, 3, 5, 255, 256, 257, 600])
def test_many_commands_are_looked_up_in_one_go(adapter: LedgerRecorder, count: int) -> None:
    batch = fill(adapter, count)
    absent = [("party/ann", f"no-{number}") for number in range(3)] + [("party/bob", "id-0")]
    names = [(each.by, each.id) for each in batch.commands]

    found, rows = adapter.look_up([*names, *absent], ())

    assert sorted(found, key=lambda each: each.index) == list(batch.commands)
    assert rows == []
    assert adapter.look_up(absent, ()) == ([], [])
    assert adapter.look_up([], ()) == ([], [])


def test_commands_and_streams_are_looked_up_together(adapter: LedgerRecorder) -> None:
    batch = fill(adapter, 3)
    known = batch.commands[1]

    found, rows = adapter.look_up([(known.by, known.id)], [batch.entries[2].stream])

    assert found == [known]
    assert rows == adapter.stream_entries(batch.entries[2].stream)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 255, 256, 257, 600])
def test_the_entries_of_many_streams_come_stream_by_stream_each_once(
    adapter: LedgerRecorder, count: int
) -> None:
    streams = [f"item/shop/{number}" for number in range(count)]
    places = [(name, seq) for seq in range(2) for name in streams]
    entries = [make_entry(i, stream=name, seq=seq) for i, (name, seq) in enumerate(places)]
    write(adapter, make_batch(adapter.head(), *entries))

    found = adapter.entries_of_streams([*streams, "item/shop/none"])

    assert sorted(found) == entries
    for name in streams:
        assert [row.seq for row in found if row.stream == name] == [0, 1]
    assert adapter.entries_of_streams(["item/shop/none"]) == []
    assert adapter.entries_of_streams([]) == []


def test_a_key_is_found_with_its_party_and_other_parties_are_seen(
    adapter: LedgerRecorder,
) -> None:
    assert not adapter.other_party_exists([])
    ann, bob = KeyRow(digest("a"), "party/ann", 0), KeyRow(digest("b"), "party/bob", 1)
    batch = make_batch(adapter.head(), make_entry(0), make_entry(1))
    write(adapter, replace(batch, keys=(ann, bob)))

    assert adapter.find_key(digest("b")) == bob
    assert adapter.find_key(digest("c")) is None
    assert adapter.other_party_exists([])
    assert adapter.other_party_exists(["party/ann"])
    assert not adapter.other_party_exists({"party/ann", "party/bob"})
    assert adapter.other_party_exists(["party/ann"], below=2)
    assert not adapter.other_party_exists(["party/ann"], below=1)


def test_the_boxes_of_an_entry_come_by_name(adapter: LedgerRecorder) -> None:
    fill(adapter, 2, boxes=True)

    assert adapter.disclosures(1) == [Disclosure(1, "buyer", "party/ann", b"box")]
    assert adapter.disclosures(2) == []


def test_a_parcel_is_read_by_its_line(adapter: LedgerRecorder) -> None:
    rows = tuple(ParcelRow("order", line, digest(line), b"%d" % line) for line in (1, 2))
    write(adapter, replace(make_batch(EMPTY, make_entry(0)), parcels=rows))

    assert adapter.parcel("order", 2) == rows[1]
    assert adapter.parcel("order", 3) is None
    assert adapter.parcel("other", 1) is None


def test_ids_come_back_as_stream_names(adapter: LedgerRecorder) -> None:
    fill_two_streams(adapter)

    events = adapter.select_events(IRON)
    notifications = adapter.select_notifications(start=4, limit=9)

    assert [(e.originator_id, e.originator_version) for e in events] == [(IRON, 1), (IRON, 2)]
    assert [(n.id, n.originator_id) for n in notifications] == [(4, IRON), (5, GOLD)]


def test_an_auditor_reads_without_a_recorder(recorder: LedgerRecorder) -> None:
    fill(recorder, 1)

    assert LedgerReader(recorder.engine).entry_at(0) == make_entry(0)


def test_of_an_account_the_last_entry_comes_and_of_other_streams_all(
    adapter: LedgerRecorder,
) -> None:
    streams = ("balance/ann", "item/shop/1", "balance/ben", "deposit/ann", "credit/ann")
    places = [(name, seq) for seq in range(3) for name in streams]
    entries = [make_entry(i, stream=name, seq=seq) for i, (name, seq) in enumerate(places)]
    write(adapter, make_batch(adapter.head(), *entries))

    found = adapter.entries_of_streams([*streams, "balance/none"])
    assert sorted((row.stream, row.seq) for row in found) == sorted(
        [(name, 2) for name in streams if name != "item/shop/1"]
        + [("item/shop/1", seq) for seq in range(3)]
    )
    # Entry 11 is the last of item/shop/1, entry 10 that of balance/ann.
    before = adapter.entries_of_streams(streams, below=10)
    assert sorted((row.stream, row.seq) for row in before) == sorted(
        [(name, 1) for name in streams if name != "item/shop/1"]
        + [("item/shop/1", seq) for seq in range(2)]
    )
    assert all(row in entries for row in (*found, *before))
