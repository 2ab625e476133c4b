"""One stream as an event-sourced aggregate: the entry is the event, and its type the topic."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from ledger.domain.stream import LedgerStream, Recorded, UnknownEventType, decode, recorded
from ledger.rules.errors import Malformed
from ledger.rules.evolve import evolve
from tests.unit.rules.small import Small

SMALL = Small().market()
SMALL.transfer("cards/1", "shop", "bob")
SMALL.do(SMALL.sale("cards/9", "a", None))
ITEM = [entry for entry in SMALL.entries if entry.stream == "item/cards/1"]


def test_a_stored_entry_is_read_as_an_event_one_version_ahead_of_its_seq() -> None:
    event = decode(ITEM[1].raw)

    assert event == Recorded("item/cards/1", 2, ITEM[1])
    assert (event.type, event.raw) == ("item-transferred/1", ITEM[1].raw)
    assert event.entry.seq == 1


def test_every_type_of_the_log_is_decoded_to_what_was_recorded() -> None:
    for entry in SMALL.entries:
        assert decode(entry.raw) == recorded(entry)


def test_events_folded_one_by_one_make_the_stream() -> None:
    stream: LedgerStream | None = None
    for entry in ITEM:
        stream = recorded(entry).mutate(stream)

    assert stream == LedgerStream("item/cards/1", 2, SMALL.streams["item/cards/1"])


def test_a_fold_of_effects_does_not_guess_their_command() -> None:
    stream: LedgerStream | None = None
    entries = [entry for entry in SMALL.entries if entry.stream == "item/cards/9"]
    for entry in entries:
        stream = recorded(entry).mutate(stream)

    live = SMALL.streams["item/cards/9"]
    assert stream is not None
    assert stream.version == 3
    assert stream.stream.state == live.state
    assert stream.stream.head == live.head._replace(command=None)
    assert live.head.command is not None


def test_a_fold_leaves_the_stream_before_as_it_was() -> None:
    first = recorded(ITEM[0]).mutate(None)
    shown = repr(first)

    second = recorded(ITEM[1]).mutate(first)

    assert repr(first) == shown
    assert second.stream == evolve(first.stream, ITEM[1], command=None)


def test_an_unknown_type_is_never_skipped() -> None:
    raw = ITEM[1].raw.replace(b'"item-transferred/1"', b'"item-transferred/2"')

    with pytest.raises(UnknownEventType) as unknown:
        decode(raw)

    assert (unknown.value.type, unknown.value.index) == ("item-transferred/2", ITEM[1].index)
    assert str(unknown.value) == f"entry {ITEM[1].index} has the unknown type item-transferred/2"
    with pytest.raises(UnknownEventType):
        recorded(ITEM[1]._replace(type="ledger.rules.items:Item"))


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"\xff"])
def test_bytes_that_are_no_entry_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode(raw)


def test_an_event_cannot_be_changed() -> None:
    event = recorded(ITEM[0])

    with pytest.raises(FrozenInstanceError):
        event.originator_version = 9  # type: ignore[misc]


def test_folding_needs_neither_the_librarys_clock_nor_its_ids() -> None:
    """The plug-in has broken both for this folder; a whole log is decided and folded without."""
    small = Small().market().officers()
    small.offer("cards/1", "shop", "bob")

    for entry in small.entries:
        assert decode(entry.raw).mutate(None if entry.seq == 0 else before(small, entry.seq, entry))


def before(small: Small, seq: int, entry: object) -> LedgerStream:
    name = getattr(entry, "stream", "")
    stream: LedgerStream | None = None
    for each in small.entries:
        if each.stream == name and each.seq < seq:
            stream = recorded(each).mutate(stream)
    assert stream is not None
    return stream
