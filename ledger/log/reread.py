"""Entries read back from storage, checked before the tree that holds them is signed.

For each entry, from its bytes: leaf, place, log, time, link, cause, every member's signature, and
that it follows by the rules from what is stored before it. So nothing that memory did to an entry,
its facts or its hash on the way to storage is ever signed.
Specification: docs/spec.md sections 6, 9 and 13.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.log.errors import (
    EntryMissing,
    Evidence,
    MemberSignatureLost,
    ReadBackDiffers,
    RuleDiffers,
)
from ledger.log.stored_state import StoredState, checked_entry
from ledger.proof.errors import VerificationError
from ledger.proof.signatures import check_signatures, keys_in
from ledger.record.facts import SealedEntry
from ledger.record.recorder import LedgerRecorder
from ledger.rules.commands import Command
from ledger.rules.derive import derive
from ledger.rules.entries import Entry
from ledger.rules.errors import RuleError
from ledger.rules.kinds import kind_of_checked
from ledger.rules.model import Fact, Kind


class Rereading:
    """Takes rows in the order of the log, from an index on at which a command begins."""

    def __init__(self, recorder: LedgerRecorder, *, origin: str, start: int) -> None:
        """Begin at index `start`.

        Raises:
            EntryMissing: The entry before is not there.
            ReadBackDiffers: The entry before was changed.

        """
        self._origin = origin
        self._state = StoredState(recorder, start=start)
        self._cause: Entry | None = None
        self._facts: list[Fact] = []
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
        return self._state.next_index

    def take(self, row: SealedEntry) -> Entry:
        """Check the row of `next_index`.

        Raises:
            EntryMissing: It is the row of a later entry.
            ReadBackDiffers: It contradicts itself, its log, its stream or its cause.
            MemberSignatureLost: A signature does not hold over the bytes.
            RuleDiffers: It does not follow from what is stored before it.

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
        self._state.take(entry, command=row.command.hex())
        self._at = entry.at
        return entry

    def read_ahead(self, rows: Sequence[SealedEntry]) -> None:
        """Read in one question what the rules will ask for when these rows are taken."""
        self._state.read_ahead({row.stream for row in rows})

    def finish(self) -> None:
        """Check that the last command's effects are all there. Raises `ReadBackDiffers`."""
        if self._cause is not None:
            self._same(self._cause, "effects", self._cause.effects, self._done)

    def _check_link(self, entry: Entry) -> None:
        before = self._state.stream(entry.stream)
        seq, prev = (0, None) if before is None else (before.head.seq + 1, before.head.leaf)
        self._same(entry, "seq", seq, entry.seq)
        self._same(entry, "prev", prev, entry.prev)

    def _check_own(self, entry: Entry, row: SealedEntry) -> None:
        command = entry.command
        assert command is not None  # noqa: S101 - the caller looked
        # An effect that is missing here would have to stand where this entry stands.
        self.finish()
        self._same(entry, "command", bytes.fromhex(command.digest), row.command)
        try:
            kind = kind_of_checked(command)
            check_signatures(command, entry.sigs, keys_in(self._state))
        except (VerificationError, RuleError) as error:
            raise MemberSignatureLost(entry.index, str(error)) from error
        self._cause, self._done = entry, 0
        self._facts = self._derive(entry, command, kind)
        self._same(entry, "effects", len(self._facts) - 1, entry.effects)
        self._same_fact(entry, self._facts[0])

    def _check_effect(self, entry: Entry, row: SealedEntry) -> None:
        cause = self._cause
        self._same(entry, "cause", cause.leaf if cause else None, entry.cause)
        assert cause is not None  # noqa: S101 - an effect always names a cause
        assert cause.command is not None  # noqa: S101 - a cause carries its command
        self._done += 1
        due = self._done if self._done <= cause.effects else None
        self._same(entry, "effect", due, entry.effect)
        self._same(entry, "command", bytes.fromhex(cause.command.digest), row.command)
        self._same_fact(entry, self._facts[self._done])

    def _derive(self, entry: Entry, command: Command, kind: Kind) -> list[Fact]:
        at, index = entry.at, entry.index
        try:
            return derive(
                command, at=at, index=index, log=self._origin, view=self._state, kind=kind
            )
        except RuleError as error:
            raise RuleDiffers(entry.index, str(error)) from error

    def _same_fact(self, entry: Entry, fact: Fact) -> None:
        if (entry.stream, entry.type, entry.data) != fact:
            raise RuleDiffers(entry.index, f"the rules say {fact.type} on {fact.stream}")

    def _same(self, entry: Entry, field: str, expected: Evidence, found: Evidence) -> None:
        if expected != found:
            raise ReadBackDiffers(entry.index, field, expected=expected, found=found)
