"""The application: the only way to write to the ledger.

A submission is verified, decided, sealed and committed; after the commit, never before, it gets a
receipt. A refused command fails alone; a failed commit fails its batch and drops the tip. Nothing
is read after a commit: what was recorded must not be answered with an error of the database.
Specification: docs/spec.md sections 5, 9 and 12.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import Environment

from ledger import codec
from ledger.clock import Clock
from ledger.crashpoints import CrashPoint, reach
from ledger.domain.invariants import check_before_write
from ledger.domain.stream import Recorded, decode
from ledger.errors import (
    AlreadyAppended,
    LedgerError,
    LedgerNotOpen,
    WriteContended,
)
from ledger.log.receipts import Receipt, ReceiptIssuer
from ledger.proof.signatures import keys_in
from ledger.record.draft import Draft, Tip
from ledger.record.errors import EntryDamaged, HeadMoved, TransactionAborted, VaultError
from ledger.record.factory import LedgerFactory
from ledger.record.facts import Disclosure
from ledger.record.keys import KeyDirectory
from ledger.record.recorder import LedgerRecorder
from ledger.record.stored import read_stored
from ledger.record.vault import SealingSession, Vault
from ledger.registry import Registry
from ledger.rules.commands import Command
from ledger.rules.derive import derive
from ledger.rules.errors import CommandConflict, RuleError
from ledger.rules.model import LOG_STREAM
from ledger.rules.parties import cancelled_command
from ledger.rules.state import Log, Stream
from ledger.sitting import Sitting
from ledger.submission import Prepared, SealedValue, Submission, prepare, settle

ATTEMPTS = 20
# After a lost race so many batches wait for their turn before one tries its luck again.
TURNS = 64
_CANCEL = "cancel-command/1"


class Accepted(NamedTuple):
    """A command that is in the log. `again`: it was there already."""

    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    leaf: bytes
    receipt: Receipt
    again: bool


Refusal = RuleError | LedgerError | VaultError
Outcome = Accepted | Refusal


Guard = Callable[[], None]


def _no_guard() -> None:
    return None


@dataclass(slots=True)
class _Decided:
    """Outcomes of one batch: refusals at once, index and leaf until the receipts exist."""

    sealing: SealingSession
    cards: Sitting | None
    refused: dict[int, Refusal] = field(default_factory=dict)
    known: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    fresh: dict[int, tuple[int, bytes]] = field(default_factory=dict)


class Ledger(Application[str]):
    """One log on one database. Thread-safe; one writer at a time inside the process."""

    name = "yinzheng"

    def __init__(  # noqa: PLR0913 - ports
        self,
        recorder: LedgerRecorder,
        *,
        clock: Clock,
        issue: ReceiptIssuer,
        vault: Vault,
        origin: str,
        guard: Guard = _no_guard,
        takes_turns: bool = False,
        registry: Registry | None = None,
    ) -> None:
        """Build on an open recorder.

        Args:
            recorder: The log's record.
            clock: Tells the time of entries.
            issue: Signs receipts after a commit.
            vault: Takes the values of sealed fields.
            origin: Name of the log.
            guard: Asked before anything is decided; refuses by raising.
            takes_turns: After it lost a race it waits for its turn at the head, where it would
                otherwise decide again and again in vain.
            registry: Tells card keys apart that were registered before; without one none is
                looked at.

        """
        codec.install()
        self._recorder = recorder
        self._factory = LedgerFactory(recorder, decode=_decode_stored)
        super().__init__()
        self._clock, self._issue, self._vault = clock, issue, vault
        self.origin = origin
        self._guard, self._registry = guard, registry
        self._takes_turns, self._turns = takes_turns, 0
        self._keys = KeyDirectory(recorder)
        self._lock = threading.Lock()
        self._tip = Tip(recorder)

    def construct_factory(self, env: Environment) -> LedgerFactory:
        """Return the closed factory, whatever the environment says."""
        return self._factory

    def submit(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Append what can be appended, in order, in one durable transaction.

        Args:
            submissions: The commands; each is accepted or refused by itself.

        Returns:
            One outcome each, in order: `Accepted`, or the error that refused it.

        Raises:
            WriteContended: Other writers were first each time; nothing was recorded.
            OutcomeUnknown: COMMIT gave no answer: send the same bytes again to learn it.
            DatabaseUnavailable: Nothing was recorded.

        """
        return self.commit([self.prepare(submission) for submission in submissions])

    def prepare(self, submission: Submission, *, command: Command | None = None) -> Prepared:
        """Find out what can be found out about a submission before its turn; any thread may.

        Args:
            submission: As it arrived.
            command: What its bytes were read as before, by whoever composed it here.

        Raises:
            DatabaseUnavailable: A key could not be looked up.

        """
        found = prepare(submission, self._keys, command=command)
        reach(CrashPoint.VERIFIED)
        return found

    def commit(self, prepared: Sequence[Prepared]) -> list[Outcome]:
        """Decide prepared submissions in order and record them in one durable transaction.

        Args:
            prepared: What `prepare` returned; any may be refused, each by itself.

        Returns:
            One outcome each, in order.

        Raises:
            WriteContended: Other writers were first each time; nothing was recorded.
            OutcomeUnknown: COMMIT gave no answer: send the same bytes again to learn it.
            DatabaseUnavailable: Nothing was recorded.
            EntryDamaged: A stored entry that something must be decided on was changed.
            CardIndexUnavailable: Card keys could not be reserved; nothing was recorded.

        """
        with self._lock:
            self._guard()
            for _ in range(ATTEMPTS):
                try:
                    return self._commit(prepared)
                except (HeadMoved, TransactionAborted):
                    self._tip.forget()
                    self._turns = TURNS if self._takes_turns else 0
                except BaseException:
                    # A tip that may be stale must not decide anything more.
                    self._tip.forget()
                    raise
        raise WriteContended("other writers were first each time", attempts=ATTEMPTS)

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream as last committed here, or None."""
        with self._lock:
            return self._tip.stream(name)

    def read_ahead(self, names: Collection[str]) -> None:
        """Read streams that will be asked for one by one, in a few questions.

        Raises:
            DatabaseUnavailable: They cannot be read.

        """
        with self._lock:
            self._tip.read_ahead(names)

    def opened(self) -> Log:
        """Return what entry 0 fixed.

        Raises:
            LedgerNotOpen: There is no entry 0.

        """
        found = self.stream(LOG_STREAM)
        if found is None or not isinstance(found.state, Log):
            raise LedgerNotOpen("the database holds no ledger", origin=self.origin)
        return found.state

    def refresh(self) -> None:
        """Read the head again, for what other processes appended."""
        with self._lock:
            if self._recorder.head() != self._tip.head:
                self._tip.forget()

    def _commit(self, prepared: Sequence[Prepared]) -> list[Outcome]:
        with self._turn() as alone, self._sitting() as cards:
            decided = _Decided(self._vault.session(), cards)
            draft = self._tip.draft()
            draft.look_up([one.command for one in prepared if one.command is not None])
            for position, one in enumerate(prepared):
                self._decide(position, one, draft, decided)
            delay = _receipt_delay(draft)
            reach(CrashPoint.DECIDED)
            if cards is not None:
                cards.keep()
                reach(CrashPoint.INDEXED)
            if draft.rows:
                self._recorder.append(draft.batch())
        if draft.rows:
            self._tip.adopt(draft)
            reach(CrashPoint.COMMITTED)
            if cards is not None:
                cards.confirm(draft.size)
        else:
            self._check_read(decided, draft, alone=alone)
        return self._outcomes(len(prepared), draft, decided, delay)

    @contextmanager
    def _sitting(self) -> Iterator[Sitting | None]:
        """Begin to reserve card keys, where they are told apart here."""
        if self._registry is None:
            yield None
            return
        with Sitting(self._registry) as sitting:
            yield sitting

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Wait for a turn at the head while others write too; say whether nobody else could."""
        if self._turns == 0:
            yield False
            return
        self._turns -= 1
        with self._recorder.in_turn():
            self._tip.catch_up()
            yield True

    def _check_read(self, decided: _Decided, draft: Draft, *, alone: bool) -> None:
        """Make good what a commit would have shown of the answers to a batch that adds nothing."""
        if decided.known:
            # It could be read, which is not yet as durable as a receipt says.
            self._recorder.settle(draft.head)
        if decided.refused and not alone:
            # No commit compared the head, and a refusal on an old one would be a wrong one.
            head = self._recorder.head()
            if head != draft.head:
                raise HeadMoved(expected=draft.head, found=head)

    def _decide(self, position: int, one: Prepared, draft: Draft, decided: _Decided) -> None:
        try:
            command = _readable(one)
            known = draft.find_command(command.by, command.id)
            if known is None:
                decided.fresh[position] = self._append(command, one, draft, decided)
            elif known.digest.hex() == command.digest:
                decided.known[position] = known.index, self._leaf_of(known.index, draft)
            else:
                raise CommandConflict(
                    "this party used this id for another command",
                    recorded=known.digest.hex(),
                    sent=command.digest,
                    index=known.index,
                )
        except (RuleError, LedgerError, VaultError) as refusal:
            decided.refused[position] = refusal

    def _append(
        self, command: Command, one: Prepared, draft: Draft, decided: _Decided
    ) -> tuple[int, bytes]:
        if one.kind is None:
            raise _fault(one)
        at = max(self._clock.now(), draft.at)
        facts = derive(command, at=at, index=draft.size, log=self.origin, view=draft, kind=one.kind)
        settle(one, command, keys_in(draft))
        _check_cancel(command, draft)
        check_before_write(command, facts, draft)
        # Before the entries: what the vault cannot take is refused alone, and leaves none of them.
        boxes = [
            _box(decided.sealing, subject, sealed, draft.size) for subject, sealed in one.opened
        ]
        if decided.cards is not None:
            # Last of all: a key that is reserved is not refused any more.
            decided.cards.admit(
                command, one.opened, at=at, index=draft.size, get_stream=draft.stream
            )
        own = draft.seal(command, one.submission.sigs, facts, at)
        draft.disclosures += boxes
        draft.parcels += one.parcels
        return own.index, own.leaf

    def _leaf_of(self, index: int, draft: Draft) -> bytes:
        """Find the leaf of a command that is in the log, or in this batch, already."""
        if index >= draft.head.size:
            return draft.rows[index - draft.head.size].leaf
        stored = self._recorder.entry_at(index)
        if stored is None:
            # A command row never lacks its entry: both went with the primary that had them.
            raise HeadMoved(expected=draft.head, found=self._recorder.head())
        # A receipt signs the leaf again: never one that the entry's bytes do not have.
        return bytes.fromhex(read_stored(stored).leaf)

    def _outcomes(self, count: int, draft: Draft, decided: _Decided, delay: int) -> list[Outcome]:
        leaves = [row.leaf for row in draft.rows]
        first, now = draft.head.size, max(self._clock.now(), self._tip.at)
        batch = self._issue(first, leaves, at=now, due=now + delay) if leaves else None
        outcomes: list[Outcome] = []
        for position in range(count):
            if position in decided.refused:
                outcomes.append(decided.refused[position])
            elif position in decided.fresh and batch is not None:
                index, leaf = decided.fresh[position]
                outcomes.append(Accepted(index, leaf, batch.receipt(index), again=False))
            else:
                # In the log already: a new receipt over the same leaf.
                index, leaf = decided.known[position]
                alone = self._issue(index, [leaf], at=now, due=now + delay)
                outcomes.append(Accepted(index, leaf, alone.receipt(index), again=True))
        return outcomes


def _readable(one: Prepared) -> Command:
    if one.command is None:
        raise _fault(one)
    return one.command


def _fault(one: Prepared) -> RuleError | LedgerError:
    assert one.fault is not None  # noqa: S101 - what cannot be read, or has no kind, has a fault
    return one.fault


def _box(sealing: SealingSession, subject: str, sealed: SealedValue, index: int) -> Disclosure:
    value = f"{sealed.salt}\n{sealed.value}".encode()
    box = sealing.seal(subject, index=index, name=sealed.name, value=value)
    return Disclosure(index, sealed.name, subject, box)


def _receipt_delay(draft: Draft) -> int:
    opened = draft.stream(LOG_STREAM)
    return opened.state.receipt_delay if opened and isinstance(opened.state, Log) else 0


def _decode_stored(stored: StoredEvent) -> Recorded:
    try:
        return decode(stored.state)
    except RuleError as error:
        # Raised as it is, it would be told to a client as a fault of the command.
        place = f"entry {stored.originator_version - 1} of stream {stored.originator_id}"
        raise EntryDamaged(place, str(error)) from error


def _check_cancel(command: Command, draft: Draft) -> None:
    """Refuse to cancel what is in the log already: it would promise what cannot be done."""
    if command.kind == _CANCEL:
        target = cancelled_command(command)
        found = draft.find_command(target.by, target.id)
        if found is not None:
            raise AlreadyAppended("the command is in the log", index=found.index)
