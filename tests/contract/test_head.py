"""The head row decides every race: who decided on another head writes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import text

from ledger.crashpoints import CrashPoint, arm
from ledger.record.database import writing
from ledger.record.errors import FactsDisagree, HeadMoved
from ledger.record.facts import Batch, HeadRow
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import EMPTY, digest, events_of, fill, make_batch, make_entry, write
from tests.databases import open_recorder


def test_a_batch_moves_the_head_to_its_last_leaf(adapter: LedgerRecorder) -> None:
    batch = fill(adapter, 3)

    assert adapter.head() == HeadRow(size=3, leaf=batch.entries[-1].leaf, epoch=0)


def test_a_batch_returns_index_plus_one_of_each_entry(adapter: LedgerRecorder) -> None:
    fill(adapter, 2)
    head = adapter.head()
    batch = make_batch(head, make_entry(2), make_entry(3))

    assert adapter.insert_events(events_of(batch), batch=batch, tracking=None) == [3, 4]


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param({"size": 1}, id="size"),
        pytest.param({"leaf": digest("another")}, id="leaf"),
        pytest.param({"leaf": None}, id="no leaf"),
        pytest.param({"epoch": 1}, id="later epoch"),
        pytest.param({"epoch": -1}, id="earlier epoch"),
    ],
)
def test_a_batch_on_another_head_writes_nothing(
    adapter: LedgerRecorder, stale: dict[str, object]
) -> None:
    fill(adapter, 2)
    found = adapter.head()
    expected = found._replace(**stale)
    batch = make_batch(expected, make_entry(expected.size, seq=7))

    with pytest.raises(HeadMoved) as refused:
        write(adapter, batch)

    assert (refused.value.expected, refused.value.found) == (expected, found)
    assert adapter.head() == found
    assert adapter.entry_at(2) is None


def test_of_two_writers_on_one_head_exactly_one_wins(adapter: LedgerRecorder) -> None:
    start = Barrier(2)

    def race(stream: str) -> object:
        batch = make_batch(EMPTY, make_entry(0, stream=stream))
        start.wait()
        try:
            return adapter.insert_events(events_of(batch), batch=batch)
        except HeadMoved as lost:
            return lost

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(race, ["item/shop/a", "item/shop/b"]))

    lost = [result for result in results if isinstance(result, HeadMoved)]
    assert [result for result in results if result == [1]] == [[1]]
    assert [(error.expected, error.found) for error in lost] == [(EMPTY, adapter.head())]
    assert len(adapter.entries(0, 10)) == 1


def test_a_new_term_refuses_the_old_leader(adapter: LedgerRecorder) -> None:
    old = adapter.head()

    new = adapter.raise_epoch(old)

    with pytest.raises(HeadMoved) as refused:
        write(adapter, make_batch(old, make_entry(0)))
    assert refused.value.found == new == HeadRow(0, None, 1)
    write(adapter, make_batch(new, make_entry(0)))


def test_only_one_leader_gets_a_term(adapter: LedgerRecorder) -> None:
    seen = adapter.head()
    raised = adapter.raise_epoch(seen)

    with pytest.raises(HeadMoved) as refused:
        adapter.raise_epoch(seen)

    assert (refused.value.expected, refused.value.found) == (seen, raised)


def test_a_reader_sees_a_batch_only_once_it_is_committed(recorder: LedgerRecorder) -> None:
    with writing(recorder.engine) as connection:
        connection.execute(text("UPDATE head SET epoch = epoch + 1"))

        assert recorder.head() == EMPTY

    assert recorder.head().epoch == 1


CHANGES = [
    ({"index": 1}, "index"),
    ({"stream": "item/shop/2"}, "stream"),
    ({"seq": 1}, "seq"),
    ({"type": "item-frozen/1"}, "type"),
    ({"entry": b"{}"}, "entry"),
]


@pytest.mark.parametrize(("change", "field"), CHANGES)
def test_events_and_entries_that_differ_are_refused(
    adapter: LedgerRecorder, change: dict[str, object], field: str
) -> None:
    batch = make_batch(EMPTY, make_entry(0))
    other = replace(batch, entries=(batch.entries[0]._replace(**change),))

    with pytest.raises(FactsDisagree) as refused:
        adapter.insert_events(events_of(batch), batch=other)

    assert (refused.value.index, refused.value.field) == (0, field)
    assert adapter.head() == EMPTY


@pytest.mark.parametrize("batch", [None, Batch(0, None, 0, ()), make_batch(EMPTY)])
def test_events_without_entries_are_refused(adapter: LedgerRecorder, batch: Batch | None) -> None:
    events = events_of(make_batch(EMPTY, make_entry(0)))

    with pytest.raises(FactsDisagree):
        adapter.insert_events(events, batch=batch)


def test_facts_of_an_unknown_name_are_refused(adapter: LedgerRecorder) -> None:
    batch = make_batch(EMPTY, make_entry(0))

    with pytest.raises(TypeError, match="unknown facts: tracking, snapshot"):
        adapter.insert_events(events_of(batch), batch=batch, tracking=1, snapshot=None)


def test_settling_waits_for_one_commit_that_changes_nothing(recorder: LedgerRecorder) -> None:
    """SQLite shows nothing before it is synced, so that there is nothing to wait for."""
    fill(recorder, 2)
    head, commits = recorder.head(), []
    arm(lambda point: commits.append(point) if point is CrashPoint.COMMIT_SENT else None)
    try:
        recorder.settle(head)
    finally:
        arm(None)

    assert len(commits) == (1 if recorder.engine.dialect.name == "postgresql" else 0)
    assert recorder.head() == head


def test_settling_follows_a_head_that_others_wrote_behind(recorder: LedgerRecorder) -> None:
    fill(recorder, 2)
    head = recorder.head()
    fill(recorder, 2)

    recorder.settle(head)

    assert recorder.head().size == 4


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param({"size": 3}, id="an entry that is not there"),
        pytest.param({"leaf": digest("another")}, id="another entry in its place"),
    ],
)
def test_what_was_read_from_a_lost_primary_does_not_settle(
    postgres_url: str, gone: dict[str, object]
) -> None:
    """A replica that lacked it took over between the reading and the waiting."""
    with open_recorder(postgres_url) as recorder:
        fill(recorder, 2)
        found = recorder.head()
        expected = found._replace(**gone)

        with pytest.raises(HeadMoved) as moved:
            recorder.settle(expected)

    assert (moved.value.expected, moved.value.found) == (expected, found)
