"""Replaying entries: every entry's place, its command's rules, and what must follow from it.

Steps, for each entry in order; the first that fails is named in the error:
  parse      the bytes are an entry in canonical form
  type       its type and its command's kind are known
  place      it names this log and its own index, its time does not step back
  link       its seq and `prev` follow its stream's head
  command    its command's (by, id) was not used before
  rule       signers, keys, roles, expiry, `expect`, `seen`, policy and the kind's own rules hold
  derive     stream, type, data and number of effects are what the rules derive
  effect     an effect is the one that its cause derives, in its place
  meaning    the invariants hold, checked by other code (`ledger.proof.meaning`)
Signatures are collected as jobs, so that they can be checked in parallel; the caller runs them.

Specification: docs/spec.md section 15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ledger.proof.errors import (
    Evidence,
    Incomplete,
    MalformedEvidence,
    Tampered,
    Unverifiable,
    VerificationError,
)
from ledger.proof.known import Known, NotInFile, PartialView
from ledger.proof.meaning import Meaning
from ledger.proof.signatures import SignatureJob, keys_in, signature_jobs
from ledger.rules.canonical import encode
from ledger.rules.commands import Command
from ledger.rules.derive import derive
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import Malformed, Refused, RuleError, UnknownKind, UnknownVersion
from ledger.rules.evolve import evolve
from ledger.rules.kinds import EVENT_TYPES, kind_of, registered_key
from ledger.rules.model import UNJUDGED, Fact
from ledger.rules.state import Stream


@dataclass(frozen=True, slots=True)
class Signed:
    """The signature checks of one entry, still to be run."""

    index: int
    stream: str
    jobs: tuple[SignatureJob, ...]


@dataclass(slots=True)
class Counts:
    """What was replayed, by whose word it stands."""

    signed: int = 0
    attested: int = 0
    system: int = 0
    gaps: int = 0
    replayed: int = 0
    total: int = 0
    single_handed: bool = False


Observe = Callable[[Entry, Stream | None, Stream, Entry | None], None]

_ATTESTED_KINDS = frozenset(
    {
        *("import-sale/1", "claim-imported-party/1", "report-duplicate/1"),
        *("top-up/1", "confirm-payment/1", "record-chargeback/1", "answer-check/1"),
    }
)
_SYSTEM_KINDS = frozenset(
    {
        *("open-ledger/1", "complete-key-change/1"),
        *("expire-order/1", "release-lines/1", "refund-lines/1", "recover-chargeback/1"),
    }
)
_GAP = "provenance-gap-recorded/1"


@dataclass(slots=True)
class _Cause:
    """A command's own entry, and the facts that must follow; None where not replayed."""

    entry: Entry
    facts: list[Fact] | None


class Replay:
    """Takes entries in order of index and keeps the state that they make."""

    def __init__(
        self, view: Known, *, log: str, complete: bool, observe: Observe | None = None
    ) -> None:
        """Start before entry 0.

        Args:
            view: An empty state: `Known` for a whole log, `PartialView` for a proof.
            log: Origin of the log, from the caller's verifier key.
            complete: Every entry from 0 on will be given.
            observe: Called with each entry that replayed, its stream before and after, and for
                an effect the entry of its cause.

        """
        self._observe = observe
        self.view, self.log, self.complete = view, log, complete
        self.counts = Counts()
        self.signed: list[Signed] = []
        self.meaning = Meaning(complete=complete)
        self.causes: dict[str, _Cause] = {}
        self.last: Entry | None = None
        # Seq and leaf of every stream's last entry, also of streams whose state is unknown.
        self.heads: dict[str, Entry] = {}
        # By stream: its first entry that could not be replayed, and what the file lacks for it.
        self.lacks: dict[str, tuple[int, str]] = {}
        self._open: _Cause | None = None
        self._done = 0
        self._commands: dict[tuple[str, str], int] = {}

    def take(self, raw: bytes, *, index: int, leaf: bytes | None = None) -> Entry:
        """Replay the entry at `index`.

        Args:
            raw: The entry's bytes, whose leaf the caller compares.
            index: Its 0-based position in the log.
            leaf: Their leaf hash, where the caller has computed it already.

        Raises:
            VerificationError: The first step that fails, with index, stream and evidence.

        """
        entry = self._parse(raw, index, leaf)
        try:
            self._check_place(entry, index)
            cause = self._check_own(entry) if entry.command else self._check_effect(entry)
            self._fold(entry, cause)
        except VerificationError as error:
            error.index, error.stream = index, entry.stream
            raise
        return entry

    def finish(self, size: int) -> None:
        """Check that nothing is outstanding after the last of `size` entries.

        Raises:
            Tampered: The last command's effects are not all there.

        """
        if self._open is not None:
            missing = self._open.entry.effects - self._done
            raise Tampered(
                "effect",
                "effects are missing at the end",
                index=size,
                stream=self._open.entry.stream,
                field="effects",
                expected=self._open.entry.effects,
                found=self._open.entry.effects - missing,
            )
        try:
            self.meaning.finish()
        except Tampered as error:
            error.index = size
            raise

    def _parse(self, raw: bytes, index: int, leaf: bytes | None) -> Entry:
        try:
            entry = read_entry(raw, leaf_hash=leaf.hex() if leaf else None)
        except UnknownVersion as unknown:
            raise _too_new(unknown, index) from None
        except Malformed as bad:
            raise MalformedEvidence("parse", str(bad), index=index, field=bad.field) from None
        except Refused as bad:
            raise Tampered("rule", bad.message, index=index, field=bad.code) from None
        try:
            if entry.command is not None:
                kind_of(entry.command.kind)
        except UnknownKind:
            raise _unknown(entry, "kind", entry.command.kind if entry.command else "") from None
        if entry.type not in EVENT_TYPES:
            raise _unknown(entry, "type", entry.type)
        return entry

    def _check_place(self, entry: Entry, index: int) -> None:
        if entry.log != self.log:
            raise Tampered("place", "another log", field="log", expected=self.log, found=entry.log)
        if entry.index != index:
            raise Tampered(
                "place", "another index", field="index", expected=index, found=entry.index
            )
        if self.last is not None and entry.at < self.last.at:
            raise Tampered(
                "place",
                "time steps back",
                field="at",
                expected=self.last.document["at"],
                found=entry.document["at"],
            )
        before = self.heads.get(entry.stream)
        seq, prev = (0, None) if before is None else (before.seq + 1, before.leaf)
        if entry.seq != seq:
            raise Tampered("link", "another seq", field="seq", expected=seq, found=entry.seq)
        if entry.prev != prev:
            raise Tampered("link", "another link", field="prev", expected=prev, found=entry.prev)

    def _check_own(self, entry: Entry) -> _Cause:
        command = entry.command
        assert command is not None  # noqa: S101 - the caller looked
        if self.complete and self._open is not None:
            raise Tampered(
                "effect",
                "an effect is missing before this entry",
                field="effects",
                expected=self._open.entry.effects,
                found=self._done,
            )
        used = self._commands.setdefault((command.by, command.id), entry.index)
        if used != entry.index:
            raise Tampered("command", "the command id was used", field="id", expected=used)
        try:
            facts = derive(command, at=entry.at, index=entry.index, log=self.log, view=self.view)
        except NotInFile as lack:
            facts = None
            self.lacks.setdefault(entry.stream, (entry.index, lack.stream))
        except RuleError as refusal:
            raise _broken(refusal) from None
        if facts is not None:
            self._compare(entry, facts)
        jobs = self._jobs(command, entry)
        self.signed.append(Signed(entry.index, entry.stream, tuple(jobs)))
        return _Cause(entry, facts)

    def _jobs(self, command: Command, entry: Entry) -> list[SignatureJob]:
        try:
            return signature_jobs(command, entry.sigs, keys_in(self.view))
        except NotInFile as lack:
            # Whose signature it is can not be shown: the file is not closed over its signers.
            raise _incomplete_keys(lack.stream) from None

    def _compare(self, entry: Entry, facts: list[Fact]) -> None:
        if entry.effects != len(facts) - 1:
            raise Tampered(
                "derive",
                "another number of effects",
                field="effects",
                expected=len(facts) - 1,
                found=entry.effects,
            )
        _compare_fact("derive", entry, facts[0])

    def _check_effect(self, entry: Entry) -> _Cause:
        cause = self.causes.get(entry.cause or "")
        if cause is None:
            lack = Tampered if self.complete else Incomplete
            raise lack("effect", "the cause is not there", field="cause", found=entry.cause)
        if self.complete and (cause is not self._open or entry.effect != self._done + 1):
            raise Tampered(
                "effect",
                "not the effect that comes next",
                field="effect",
                expected=self._done + 1 if self._open else None,
                found=entry.effect,
            )
        if entry.effect > cause.entry.effects or entry.index != cause.entry.index + entry.effect:
            raise Tampered(
                "effect",
                "not in its cause's place",
                field="effect",
                expected=entry.index - cause.entry.index,
                found=entry.effect,
            )
        if entry.document["at"] != cause.entry.document["at"]:
            raise Tampered("effect", "another time than its cause", field="at")
        if cause.facts is not None:
            _compare_fact("effect", entry, cause.facts[entry.effect])
        return cause

    def _fold(self, entry: Entry, cause: _Cause) -> None:
        command = cause.entry.command
        assert command is not None  # noqa: S101 - a cause carries its command
        replayed = not self._lose(entry, cause)
        self._count(entry, command, replayed=replayed)
        if replayed:
            self._evolve(entry, cause, command)
        if self.complete:
            self.view.tree.append(bytes.fromhex(entry.leaf))
        self._remember(entry, cause)
        self.last = self.heads[entry.stream] = entry

    def _lose(self, entry: Entry, cause: _Cause) -> bool:
        """Say whether the entry's stream is unknown; nothing is folded that was not derived."""
        if not isinstance(self.view, PartialView):
            return False
        if cause.facts is None:
            self.view.lose(entry.stream)
        return self.view.lost(entry.stream)

    def _evolve(self, entry: Entry, cause: _Cause, command: Command) -> None:
        self.meaning.take(entry, cause.entry)
        view = self.view
        before = view.streams.get(entry.stream)
        after = evolve(before, entry, command=command.digest)
        view.streams[entry.stream] = after
        if self._observe is not None:
            self._observe(entry, before, after, None if entry.command else cause.entry)
        registered = registered_key(entry)
        if registered is not None:
            view.keys[registered.id] = registered.party

    def _remember(self, entry: Entry, cause: _Cause) -> None:
        if entry.command is not None:
            if self.complete:
                self.causes.clear()
            self.causes[entry.leaf] = cause
            self._open, self._done = cause, 0
        else:
            self._done = entry.effect
        if self._done == cause.entry.effects or not self.complete:
            self._open = None

    def _count(self, entry: Entry, command: Command, *, replayed: bool) -> None:
        counts = self.counts
        counts.total += 1
        counts.replayed += replayed
        counts.gaps += entry.type == _GAP
        if command.kind in _ATTESTED_KINDS:
            counts.attested += 1
        elif command.kind in _SYSTEM_KINDS:
            counts.system += 1
        else:
            counts.signed += 1


def _unknown(entry: Entry, what: str, found: str) -> Unverifiable:
    return Unverifiable(
        "type", f"unknown {what}", index=entry.index, stream=entry.stream, field=what, found=found
    )


def _too_new(unknown: UnknownVersion, index: int | None) -> Unverifiable:
    return Unverifiable("type", str(unknown), index=index, field=unknown.field)


def _broken(refusal: RuleError) -> VerificationError:
    """Turn a refusal into a fault: what the rules refuse must not be in the log."""
    if isinstance(refusal, UnknownVersion):
        return _too_new(refusal, None)
    if isinstance(refusal, Malformed):
        return MalformedEvidence("rule", str(refusal), field=refusal.field)
    assert isinstance(refusal, Refused)  # noqa: S101 - the only other kind
    expected, found = _evidence(refusal.evidence)
    return Tampered("rule", refusal.message, field=refusal.code, expected=expected, found=found)


def _evidence(evidence: Mapping[str, str | int | bool | None]) -> tuple[Evidence, Evidence]:
    expected = evidence.get("expected")
    found = evidence.get("found")
    if expected is None and found is None:
        found = "; ".join(f"{name}={value}" for name, value in sorted(evidence.items()))
    return expected, found


def _incomplete_keys(stream: str) -> VerificationError:
    return Incomplete("keys", "the file lacks a signer's key events", field="stream", found=stream)


def _compare_fact(step: str, entry: Entry, fact: Fact) -> None:
    if entry.stream != fact.stream:
        raise Tampered(
            step, "another stream", field="stream", expected=fact.stream, found=entry.stream
        )
    if entry.type != fact.type:
        raise Tampered(step, "another type", field="type", expected=fact.type, found=entry.type)
    if fact.data is UNJUDGED:
        return
    for name in sorted(fact.data.keys() | entry.data.keys()):
        expected, found = fact.data.get(name), entry.data.get(name)
        if type(expected) is str and expected == found:
            continue
        # In canonical form: to Python, true is 1.
        if (name in fact.data) != (name in entry.data) or encode(expected) != encode(found):
            raise Tampered(
                step, "other data", field=f"data.{name}", expected=str(expected), found=str(found)
            )
