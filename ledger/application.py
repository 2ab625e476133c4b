"""The application: the only way to write to the ledger.

A submission is verified, decided, sealed and committed; after the commit, never before, it gets a
receipt. A refused command fails alone; a failed commit fails its batch and drops the tip. Nothing
is read after a commit: what was recorded must not be answered with an error of the database.
Specification: docs/spec.md sections 5, 9 and 12.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import Environment

from ledger.clock import Clock
from ledger.domain.invariants import check_before_write
from ledger.domain.stream import LedgerStream, Recorded, decode, recorded
from ledger.errors import (
    AlreadyAppended,
    DisclosureInvalid,
    LedgerError,
    LedgerNotOpen,
    SignatureCount,
    SignatureInvalid,
    WriteContended,
)
from ledger.log.receipts import Receipt, ReceiptIssuer
from ledger.proof.errors import BadSignature, MalformedEvidence
from ledger.proof.signatures import check_signatures
from ledger.record.draft import Draft, Tip
from ledger.record.errors import HeadMoved, VaultError
from ledger.record.factory import LedgerFactory
from ledger.record.facts import Disclosure
from ledger.record.recorder import LedgerRecorder
from ledger.record.vault import Vault
from ledger.rules.admission import check_text
from ledger.rules.commands import Command, read_command
from ledger.rules.derive import derive
from ledger.rules.digests import sealed_digest
from ledger.rules.errors import CommandConflict, RuleError
from ledger.rules.model import LOG_STREAM
from ledger.rules.parties import cancelled_command
from ledger.rules.state import Log, Stream
from ledger.rules.text import b64decode

ATTEMPTS = 20
SALT_BYTES = 32
_CANCEL = "cancel-command/1"


@dataclass(frozen=True, slots=True)
class SealedValue:
    """What opens one sealed field: its name, a base64 salt of 32 bytes and the value."""

    name: str
    salt: str
    value: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A command as it arrives: signed bytes, one base64 signature a signer, disclosures."""

    command: bytes
    sigs: tuple[str, ...]
    disclosures: tuple[SealedValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command that is in the log. `again`: it was there already."""

    index: int
    leaf: bytes
    receipt: Receipt
    again: bool


Refusal = RuleError | LedgerError | VaultError
Outcome = Accepted | Refusal


@dataclass(slots=True)
class _Decided:
    """Outcomes of one batch: refusals at once, index and leaf until the receipts exist."""

    refused: dict[int, Refusal] = field(default_factory=dict)
    known: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    fresh: dict[int, tuple[int, bytes]] = field(default_factory=dict)


class Ledger(Application[str]):
    """One log on one database. Thread-safe; one writer at a time inside the process."""

    name = "yinzheng"

    def __init__(
        self,
        recorder: LedgerRecorder,
        *,
        clock: Clock,
        issue: ReceiptIssuer,
        vault: Vault,
        origin: str,
    ) -> None:
        """Build on an open recorder.

        Args:
            recorder: The log's record.
            clock: Tells the time of entries.
            issue: Signs receipts after a commit.
            vault: Takes the values of sealed fields.
            origin: Name of the log.

        """
        self._recorder = recorder
        self._factory = LedgerFactory(recorder, decode=_decode_stored)
        super().__init__()
        self._clock, self._issue, self._vault = clock, issue, vault
        self.origin = origin
        self._lock = threading.Lock()
        self._tip = Tip(recorder, self._load)

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
        with self._lock:
            for _ in range(ATTEMPTS):
                draft = Draft(self._tip, self._recorder, self._tip.head)
                decided = _Decided()
                for position, submission in enumerate(submissions):
                    self._decide(position, submission, draft, decided)
                delay = _receipt_delay(draft)
                try:
                    self._commit(draft, decided)
                except HeadMoved:
                    self._tip.reload()
                    continue
                except BaseException:
                    # A tip that may be stale must not decide anything more.
                    self._tip.reload()
                    raise
                return self._outcomes(len(submissions), draft, decided, delay)
        raise WriteContended("other writers were first each time", attempts=ATTEMPTS)

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream as last committed here, or None."""
        with self._lock:
            return self._tip.stream(name)

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
                self._tip.reload()

    def _load(self, name: str) -> Stream | None:
        try:
            found: LedgerStream = self.repository.get(name)
        except AggregateNotFoundError:
            return None
        return found.stream

    def _decide(
        self, position: int, submission: Submission, draft: Draft, decided: _Decided
    ) -> None:
        try:
            command = read_command(submission.command)
            known = draft.find_command(command.by, command.id)
            if known is None:
                decided.fresh[position] = self._append(command, submission, draft)
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

    def _append(self, command: Command, submission: Submission, draft: Draft) -> tuple[int, bytes]:
        at = max(self._clock.now(), self._tip.at, draft.entries[-1].at if draft.entries else 0)
        facts = derive(command, at=at, index=draft.size, log=self.origin, view=draft)
        _check_signatures(command, submission, draft)
        opened = _check_disclosures(command, submission.disclosures)
        _check_texts(command.body, "command.body")
        _check_cancel(command, draft)
        check_before_write(command, facts, draft)
        # Before the entries: what the vault cannot take is refused alone, and leaves none of them.
        boxes = [self._box(subject, sealed, draft.size) for subject, sealed in opened]
        own = draft.seal(command, submission.sigs, facts, at)
        draft.disclosures += boxes
        return own.index, bytes.fromhex(own.leaf)

    def _box(self, subject: str, sealed: SealedValue, index: int) -> Disclosure:
        value = f"{sealed.salt}\n{sealed.value}".encode()
        box = self._vault.seal(subject, index=index, name=sealed.name, value=value)
        return Disclosure(index, sealed.name, subject, box)

    def _leaf_of(self, index: int, draft: Draft) -> bytes:
        """Find the leaf of a command that is in the log, or in this batch, already."""
        if index >= draft.head.size:
            return bytes.fromhex(draft.entries[index - draft.head.size].leaf)
        stored = self._recorder.entry_at(index)
        assert stored is not None  # noqa: S101 - a command row never lacks its entry
        return stored.leaf

    def _commit(self, draft: Draft, decided: _Decided) -> None:
        if draft.entries:
            events = [recorded(entry) for entry in draft.entries]
            self.save(*events, batch=draft.batch())
            self._tip.adopt(draft)
        elif decided.refused:
            # No commit compares the head here, and a refusal on an old one would be a wrong one.
            head = self._recorder.head()
            if head != draft.head:
                raise HeadMoved(expected=draft.head, found=head)

    def _outcomes(self, count: int, draft: Draft, decided: _Decided, delay: int) -> list[Outcome]:
        leaves = [bytes.fromhex(entry.leaf) for entry in draft.entries]
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


def _receipt_delay(draft: Draft) -> int:
    opened = draft.stream(LOG_STREAM)
    return opened.state.receipt_delay if opened and isinstance(opened.state, Log) else 0


def _decode_stored(stored: StoredEvent) -> Recorded:
    return decode(stored.state)


def _check_signatures(command: Command, submission: Submission, draft: Draft) -> None:
    if len(submission.sigs) != len(command.signers):
        raise SignatureCount(
            "one signature for each signer is needed",
            signers=len(command.signers),
            sigs=len(submission.sigs),
        )
    try:
        check_signatures(command, submission.sigs, draft)
    except (BadSignature, MalformedEvidence) as bad:
        raise SignatureInvalid(bad.message, command=command.digest) from None


def _check_disclosures(
    command: Command, disclosures: Sequence[SealedValue]
) -> list[tuple[str, SealedValue]]:
    """Open every sealed name with its disclosure; return each with its subject."""
    sealed: list[dict[str, Any]] = command.document["sealed"]
    names = [entry["name"] for entry in sealed]
    given = [disclosure.name for disclosure in disclosures]
    if given != names:
        raise DisclosureInvalid(
            "every sealed name needs its disclosure, in order",
            sealed=", ".join(names),
            disclosed=", ".join(given),
        )
    opened = []
    for entry, disclosure in zip(sealed, disclosures, strict=True):
        field = f"disclosures.{disclosure.name}"
        b64decode(disclosure.salt, field=f"{field}.salt", size=SALT_BYTES)
        check_text(disclosure.value, field=field)
        digest = sealed_digest(
            command.log, command.id, disclosure.name, disclosure.salt, disclosure.value
        )
        if digest != entry["digest"]:
            raise DisclosureInvalid("the disclosure opens another digest", name=disclosure.name)
        opened.append((str(entry["subject"]), disclosure))
    return opened


def _check_texts(value: Any, field: str) -> None:
    """Hold every text of a body to the rules of admission; most are plain identifiers anyway."""
    if isinstance(value, str):
        check_text(value, field=field)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_texts(inner, f"{field}.{name}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _check_texts(inner, f"{field}[{position}]")


def _check_cancel(command: Command, draft: Draft) -> None:
    """Refuse to cancel what is in the log already: it would promise what cannot be done."""
    if command.kind == _CANCEL:
        target = cancelled_command(command)
        found = draft.find_command(target.by, target.id)
        if found is not None:
            raise AlreadyAppended("the command is in the log", index=found.index)
