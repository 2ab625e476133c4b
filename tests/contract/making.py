"""Batches for tests: facts that are unique by their position, nothing more."""

from __future__ import annotations

from hashlib import sha256

from eventsourcing.persistence import StoredEvent

from ledger.record.facts import Batch, CommandKey, Disclosure, HeadRow, SealedEntry
from ledger.record.recorder import LedgerRecorder

EMPTY = HeadRow(size=0, leaf=None, epoch=0)


def digest(*words: object) -> bytes:
    return sha256(repr(words).encode()).digest()


def make_entry(index: int, *, stream: str = "item/shop/1", seq: int | None = None) -> SealedEntry:
    return SealedEntry(
        index=index,
        stream=stream,
        seq=index if seq is None else seq,
        type="item-transferred/1",
        leaf=digest("leaf", index),
        command=digest("command", index),
        entry=b'{"index":"%d"}' % index,
    )


def make_batch(head: HeadRow, *entries: SealedEntry, boxes: bool = False) -> Batch:
    commands = tuple(CommandKey("party/ann", f"id-{e.index}", e.command, e.index) for e in entries)
    disclosures = tuple(Disclosure(e.index, "buyer", "party/ann", b"box") for e in entries)
    return Batch(
        size=head.size,
        leaf=head.leaf,
        epoch=head.epoch,
        entries=entries,
        commands=commands,
        disclosures=disclosures if boxes else (),
    )


def events_of(batch: Batch) -> list[StoredEvent]:
    return [StoredEvent(e.stream, e.seq + 1, e.type, e.entry) for e in batch.entries]


def write(recorder: LedgerRecorder, batch: Batch) -> None:
    recorder.insert_events(events_of(batch), batch=batch)


def fill(recorder: LedgerRecorder, count: int, *, boxes: bool = False) -> Batch:
    """Append `count` entries to one stream, as one batch on the present head."""
    head = recorder.head()
    entries = (make_entry(index) for index in range(head.size, head.size + count))
    batch = make_batch(head, *entries, boxes=boxes)
    write(recorder, batch)
    return batch
