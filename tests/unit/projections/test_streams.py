"""The streams folded last are at hand; any other is replayed from the log."""

from __future__ import annotations

from ledger.log.database import SealedEntry
from ledger.log.reader import LogReader
from ledger.rules.evolve import evolve
from projections.source import read_stored
from projections.streams import Streams


class Counted(LogReader):
    """A log that notes which streams were asked for."""

    def __init__(self, reader: LogReader) -> None:
        super().__init__(reader._recorder)
        self.replayed: list[str] = []

    def stream_entries(self, stream: str, lte_index: int | None = None) -> list[SealedEntry]:
        self.replayed.append(stream)
        return super().stream_entries(stream, lte_index)

    def last_of_stream(self, stream: str, lte_index: int | None = None) -> SealedEntry | None:
        self.replayed.append(stream)
        return super().last_of_stream(stream, lte_index)


def fold(source: Counted, *, kept: int) -> tuple[Streams, int]:
    """Fold the whole log and return what was folded, and the most streams in memory at once."""
    streams, most = Streams(source, kept=kept), 0
    for sealed in source.entries(0, source.size()):
        entry = read_stored(sealed)
        after = evolve(streams.before(entry), entry, command=None)
        streams.keep(entry.stream, after)
        most = max(most, len({**streams._streams, **streams._older}))
    return streams, most


def recent(entries: list[SealedEntry]) -> dict[str, int]:
    """Return for every entry that continues a stream how many others came in between, by place."""
    last: dict[str, int] = {}
    found: dict[str, int] = {}
    for place, sealed in enumerate(entries):
        if sealed.stream in last:
            between = {each.stream for each in entries[last[sealed.stream] + 1 : place]}
            found[f"{sealed.stream} {place}"] = len(between)
        last[sealed.stream] = place
    return found


def test_what_was_folded_is_not_read_again(reader: LogReader) -> None:
    source = Counted(reader)

    fold(source, kept=50)

    assert source.replayed == []


def test_a_stream_that_is_no_longer_at_hand_is_replayed_to_the_same_state(
    reader: LogReader,
) -> None:
    source, whole = Counted(reader), Counted(reader)
    entries = reader.entries(0, reader.size())

    few, most = fold(source, kept=2)
    many, _ = fold(whole, kept=1000)

    assert source.replayed != []
    assert most <= 4
    # Of two in between, the third is the last that may have been dropped.
    far = [key.split()[0] for key, between in recent(entries).items() if between >= 2]
    assert set(source.replayed) <= set(far)
    last = read_stored(entries[-1])
    assert few._streams.get(last.stream, few._older.get(last.stream)) == many._streams[last.stream]
