"""Entries read back from storage, checked before the tree that holds them is signed.

For each entry, from its bytes: leaf, place, log, time, link, cause, and every member's signature.
Rules and effects were decided before the write and are replayed by auditors; here it is shown that
what was stored is what was decided. Specification: docs/spec.md sections 6 and 13.3.
"""

from __future__ import annotations

from typing import Final

from ledger.log.errors import EntryMissing, Evidence, MemberSignatureLost, ReadBackDiffers
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.known import Known
from ledger.proof.signatures import check_signatures, keys_in
from ledger.record.facts import SealedEntry
from ledger.record.recorder import LedgerRecorder
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import RuleError
from ledger.rules.evolve import evolve
from ledger.rules.kinds import EVENT_TYPES
from ledger.rules.state import Stream

_STREAMS_KEPT: Final = 50_000
_PARTIES: Final = ("party", "imported")


def checked_entry(row: SealedEntry) -> Entry:
    """Read a stored entry from its bytes and compare every column with them.

    Raises:
        ReadBackDiffers: A column or the bytes were changed, or the type is not known.

    """
    leaf = leaf_hash(row.entry)
    if leaf != row.leaf:
        raise ReadBackDiffers(row.index, "leaf", expected=leaf, found=row.leaf)
    try:
        entry = read_entry(row.entry)
    except RuleError as error:
        raise ReadBackDiffers(row.index, "entry", expected="an entry", found=str(error)) from error
    columns = (
        ("index", entry.index, row.index),
        ("stream", entry.stream, row.stream),
        ("seq", entry.seq, row.seq),
        ("type", entry.type, row.type),
    )
    for field, expected, found in columns:
        if expected != found:
            raise ReadBackDiffers(row.index, field, expected=expected, found=found)
    if entry.type not in EVENT_TYPES:
        raise ReadBackDiffers(row.index, "type", expected="a known type", found=entry.type)
    return entry


class StoredParties(Known):
    """Keys of parties, folded from their stored streams as they are asked for."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        super().__init__()
        self._recorder = recorder
        self.next_index = 0

    def stream(self, name: str) -> Stream | None:
        """Return a party's stream as it was before `next_index`."""
        found = self.streams.get(name)
        if found is None:
            for row in self._recorder.stream_entries(name, lte_index=self.next_index - 1):
                found = evolve(found, checked_entry(row), command=None)
            if found is not None:
                self._keep(name, found)
        return found

    def take(self, entry: Entry) -> None:
        """Fold the entry at `next_index`."""
        if entry.stream.partition("/")[0] in _PARTIES:
            before = self.stream(entry.stream)
            self._keep(entry.stream, evolve(before, entry, command=None))
        self.next_index = entry.index + 1

    def _keep(self, name: str, stream: Stream) -> None:
        if len(self.streams) >= _STREAMS_KEPT:
            self.streams.clear()
        self.streams[name] = stream


class Rereading:
    """Takes rows in the order of the log, from an index on at which a command begins."""

    def __init__(self, recorder: LedgerRecorder, *, origin: str, start: int) -> None:
        """Begin at index `start`.

        Raises:
            EntryMissing: The entry before is not there.
            ReadBackDiffers: The entry before was changed.

        """
        self._recorder, self._origin = recorder, origin
        self._parties = StoredParties(recorder)
        self._parties.next_index = start
        self._heads: dict[str, tuple[int, str]] = {}
        self._cause: Entry | None = None
        self._done = 0
        self._at = 0
        if start:
            before = recorder.entry_at(start - 1)
            if before is None:
                raise EntryMissing(start - 1)
            self._at = checked_entry(before).at

    @property
    def next_index(self) -> int:
        """Index of the row to take next."""
        return self._parties.next_index

    def take(self, row: SealedEntry) -> Entry:
        """Check the row of `next_index`.

        Raises:
            EntryMissing: It is the row of a later entry.
            ReadBackDiffers: It contradicts itself, its log, its stream or its cause.
            MemberSignatureLost: A signature does not hold over the bytes.

        """
        if row.index != self.next_index:
            raise EntryMissing(self.next_index)
        entry = checked_entry(row)
        self._same(entry, "log", self._origin, entry.log)
        self._same(entry, "at", max(entry.at, self._at), entry.at)
        self._check_link(entry)
        if entry.command is None:
            self._check_effect(entry, row)
        else:
            self._check_own(entry, row)
        self._parties.take(entry)
        self._at = entry.at
        return entry

    def finish(self) -> None:
        """Check that the last command's effects are all there. Raises `ReadBackDiffers`."""
        if self._cause is not None:
            self._same(self._cause, "effects", self._cause.effects, self._done)

    def _check_link(self, entry: Entry) -> None:
        head = self._heads.get(entry.stream)
        # (stream, seq) is unique in storage: nothing stands before an entry of seq 0.
        if head is None and entry.seq > 0:
            stored = self._recorder.last_of_stream(entry.stream, lte_index=entry.index - 1)
            head = (stored.seq, stored.leaf.hex()) if stored else None
        seq, prev = (0, None) if head is None else (head[0] + 1, head[1])
        self._same(entry, "seq", seq, entry.seq)
        self._same(entry, "prev", prev, entry.prev)
        if len(self._heads) >= _STREAMS_KEPT:
            self._heads.clear()
        self._heads[entry.stream] = (entry.seq, entry.leaf)

    def _check_own(self, entry: Entry, row: SealedEntry) -> None:
        command = entry.command
        assert command is not None  # noqa: S101 - the caller looked
        # An effect that is missing here would have to stand where this entry stands.
        self.finish()
        self._same(entry, "command", bytes.fromhex(command.digest), row.command)
        try:
            check_signatures(command, entry.sigs, keys_in(self._parties))
        except (VerificationError, RuleError) as error:
            raise MemberSignatureLost(entry.index, str(error)) from error
        self._cause, self._done = entry, 0

    def _check_effect(self, entry: Entry, row: SealedEntry) -> None:
        cause = self._cause
        self._same(entry, "cause", cause.leaf if cause else None, entry.cause)
        assert cause is not None  # noqa: S101 - an effect always names a cause
        assert cause.command is not None  # noqa: S101 - a cause carries its command
        self._done += 1
        due = self._done if self._done <= cause.effects else None
        self._same(entry, "effect", due, entry.effect)
        self._same(entry, "command", bytes.fromhex(cause.command.digest), row.command)

    def _same(self, entry: Entry, field: str, expected: Evidence, found: Evidence) -> None:
        if expected != found:
            raise ReadBackDiffers(entry.index, field, expected=expected, found=found)
