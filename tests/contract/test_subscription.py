"""A subscription skips nothing, waits at the end, and stops when told."""

from __future__ import annotations

from itertools import islice
from threading import Thread

import pytest

from ledger.record import subscription as polling
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import fill, make_batch, make_entry, write


def test_more_than_one_chunk_arrives_in_order(adapter: LedgerRecorder) -> None:
    fill(adapter, 1100)

    with adapter.subscribe() as subscription:
        ids = [notification.id for notification in islice(subscription, 1100)]

    assert ids == list(range(1, 1101))


def test_entries_written_later_arrive_too(adapter: LedgerRecorder) -> None:
    fill(adapter, 2)

    with adapter.subscribe(gt=1) as subscription:
        first = next(subscription)
        writer = Thread(target=fill, args=(adapter, 2))
        writer.start()
        later = list(islice(subscription, 2))
        writer.join()

    assert [first.id, *(notification.id for notification in later)] == [2, 3, 4]


def test_only_the_topics_asked_for_arrive(
    adapter: LedgerRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With chunks of two, matches lie in several chunks and between strangers."""
    monkeypatch.setattr(polling, "_CHUNK", 2)
    entries = [make_entry(index) for index in range(9)]
    kinds = ["a", "b", "a", "a", "b", "b", "a", "b", "a"]
    typed = [
        type(entry)(entry.index, entry.stream, entry.seq, kind, entry.leaf, entry.command, b"")
        for entry, kind in zip(entries, kinds, strict=True)
    ]
    write(adapter, make_batch(adapter.head(), *typed))

    with adapter.subscribe(topics=["a"]) as subscription:
        ids = [notification.id for notification in islice(subscription, 5)]

    assert ids == [1, 3, 4, 7, 9]


def test_a_waiting_reader_wakes_up_when_stopped(adapter: LedgerRecorder) -> None:
    subscription = adapter.subscribe()
    seen: list[object] = []
    reader = Thread(target=lambda: seen.extend(subscription))
    reader.start()

    subscription.stop()
    reader.join(timeout=10)

    assert not reader.is_alive()
    assert seen == []
