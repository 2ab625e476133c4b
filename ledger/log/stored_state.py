"""The state of the log before an entry, folded from what is stored, as the rules ask for it.

Nothing of it comes from the writer's memory: whoever signs decides again from storage.
Specification: docs/spec.md section 13.3.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from ledger.log.errors import ReadBackDiffers
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import split_note
from ledger.record.facts import SealedEntry
from ledger.record.recorder import LedgerRecorder
from ledger.rules.derive import founders
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import RuleError
from ledger.rules.evolve import evolve
from ledger.rules.kinds import EVENT_TYPES
from ledger.rules.state import Stream

_STREAMS_KEPT: Final = 50_000


def checked_entry(row: SealedEntry) -> Entry:
    """Read a stored entry from its bytes and compare every column with them.

    Raises:
        ReadBackDiffers: A column or the bytes were changed, or the type is not known.

    """
    try:
        entry = read_entry(row.entry)
    except RuleError as error:
        _check_hash(row, leaf_hash(row.entry))
        raise ReadBackDiffers(row.index, "entry", expected="an entry", found=str(error)) from error
    _check_hash(row, bytes.fromhex(entry.leaf))
    if row[:4] != (entry.index, entry.stream, entry.seq, entry.type):
        for field in ("index", "stream", "seq", "type"):
            expected, found = getattr(entry, field), getattr(row, field)
            if expected != found:
                raise ReadBackDiffers(row.index, field, expected=expected, found=found)
    if entry.type not in EVENT_TYPES:
        raise ReadBackDiffers(row.index, "type", expected="a known type", found=entry.type)
    return entry


def _check_hash(row: SealedEntry, leaf: bytes) -> None:
    if leaf != row.leaf:
        raise ReadBackDiffers(row.index, "leaf", expected=leaf, found=row.leaf)


class StoredState:
    """The `View` of the rules before the entry at `next_index`."""

    def __init__(self, recorder: LedgerRecorder, *, start: int) -> None:
        self._recorder = recorder
        self.next_index = start
        self._streams: dict[str, Stream | None] = {}

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream as it was before `next_index`, or None."""
        if name not in self._streams:
            self._read([name])
        return self._streams[name]

    def command_at(self, index: int) -> str | None:
        """Return the digest of the command that wrote the entry at `index`."""
        found = self._recorder.entry_at(index) if index < self.next_index else None
        return None if found is None else found.command.hex()

    def seen_root(self, size: int) -> str | None:
        """Return the root that was published for `size`, or None."""
        shown = self._recorder.checkpoint_at(size)
        if shown is None:
            return None
        try:
            return parse_checkpoint(split_note(shown.note)[0]).root.hex()
        except VerificationError as error:
            raise ReadBackDiffers(size, "checkpoint", expected="one", found=str(error)) from error

    def key_holder(self, key_id: str) -> str | None:
        """Return the party that registered this key before `next_index`."""
        found = self._recorder.find_key(bytes.fromhex(key_id))
        return found.party if found is not None and found.index < self.next_index else None

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        """Say whether there was a party that entry 0 does not name, not among `besides`."""
        known = besides.union(founders(self))
        return self._recorder.other_party_exists(known, below=self.next_index)

    def knows_accounts(self) -> bool:
        """Return true: the whole log is stored."""
        return True

    def read_ahead(self, names: Collection[str]) -> None:
        """Read streams in one question that will be asked for one by one."""
        self._read([name for name in names if name not in self._streams])

    def take(self, entry: Entry, *, command: str) -> None:
        """Fold the entry at `next_index`, which the command of this digest wrote."""
        before = self.stream(entry.stream)
        self._streams[entry.stream] = evolve(before, entry, command=command)
        self.next_index = entry.index + 1

    def _read(self, names: Sequence[str]) -> None:
        if not names:
            return
        if len(self._streams) + len(names) > _STREAMS_KEPT:
            self._streams.clear()
        found: dict[str, Stream | None] = dict.fromkeys(names)
        for row in self._recorder.entries_of_streams(names, below=self.next_index):
            entry = checked_entry(row)
            found[row.stream] = evolve(found[row.stream], entry, command=row.command.hex())
        self._streams |= found
