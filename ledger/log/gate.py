"""The gate: whether this database is the one that the log was signed from, before it is used.

A database can come back from an old copy. What is known outside of it shows that: the signer's
mark, and copies of the published log. Nothing is written or signed while the two do not agree.

R1        everything known outside is in the database, and nothing more: go
R2        the database extends what is known outside: go, and publish next
R3        entries that were signed are missing here: locked until `yinzheng restore --mirror`
R3-or-R4  likewise, and no copy at hand reaches far enough to tell the two apart: locked
R4        the database holds another history than the one that was signed: locked for ever
R5        too little is known outside, the mark above all: locked until somebody looked
R6        a receipt promised an entry that is not here: an incident; it locks nothing by itself

Decision: docs/adr/0016. Specification: docs/spec.md section 13.7.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from ledger.errors import WriteLocked
from ledger.log.errors import CheckpointDamaged, MirrorUnusable, SignerUnavailable, SignLocked
from ledger.log.extending import Extension, TreeSigner
from ledger.log.mark import Marked
from ledger.log.mirror import Mirror
from ledger.log.reader import LogReader
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.vkey import VerifierKey
from ledger.record.recorder import LedgerRecorder

MARK, PUBLISHED, MIRROR = "mark", "checkpoint", "mirror"


class Class(StrEnum):
    """Where a database stands towards what is known outside of it."""

    SAME = "R1"
    AHEAD = "R2"
    BEHIND = "R3"
    UNDECIDED = "R3-or-R4"
    FORKED = "R4"
    BLIND = "R5"
    PROMISED = "R6"


_OPEN: Final = frozenset({Class.SAME, Class.AHEAD, Class.PROMISED})
_SAYS: Final[Mapping[Class, tuple[str, str]]] = {
    Class.SAME: ("The database holds exactly what was signed.", "Nothing."),
    Class.AHEAD: (
        "The database extends what was signed.",
        "Nothing; the next checkpoint covers it.",
    ),
    Class.BEHIND: (
        "Entries that were signed are missing here: an older copy was put back.",
        "Run `yinzheng restore --dir D --mirror URL|FOLDER` with a copy of the log.",
    ),
    Class.UNDECIDED: (
        "Entries that were signed are missing here; without a copy of the log nobody can say "
        "whether the rest is the beginning of what was signed.",
        "Run `yinzheng restore --dir D --mirror URL|FOLDER`: a copy of the log decides.",
    ),
    Class.FORKED: (
        "The database holds another history than the one that was signed.",
        "Keep all files as they are and follow the incident procedure in docs/operating.md.",
    ),
    Class.BLIND: (
        "Too little is known outside the database to tell whether it is an older copy.",
        "Bring the mark or the mirror back, or run `yinzheng doctor --dir D --adopt-mark`.",
    ),
    Class.PROMISED: (
        "A receipt promises an entry that is not in the database.",
        "Look for a newer copy of the database first; else follow docs/operating.md.",
    ),
}

Evidence = str | int | None


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of this log that somebody knows."""

    source: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Promise:
    """What a receipt says: this leaf stands at this index."""

    index: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is compared.

    Attributes:
        size: Entries in the database.
        known: Trees known outside: the mark first, if there is one.
        roots: Roots of the database's own tree, for `size` and every known size up to it.
        mirrored: Proven roots of the mirror's tree, for `size` and the known sizes up to its own.
        promises: Receipts that somebody brought, each with the leaf that stands there, or None.
        unreachable: Why a source that was asked for cannot be used.

    """

    size: int
    known: Sequence[Tree]
    roots: Mapping[int, bytes]
    mirrored: Mapping[int, bytes] = field(default_factory=dict)
    promises: Sequence[tuple[Promise, bytes | None]] = ()
    unreachable: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The class of a database, and what follows from it.

    Attributes:
        klass: R1 to R6.
        size: Entries in the database.
        evidence: Sizes, hashes (hex) and names that decided.

    """

    klass: Class
    size: int
    evidence: Mapping[str, Evidence]

    @property
    def may_write(self) -> bool:
        """Whether commands may be accepted: an index that was promised is never given twice."""
        return self.klass in _OPEN

    @property
    def may_sign(self) -> bool:
        """Whether checkpoints may be signed."""
        return self.klass in _OPEN

    @property
    def says(self) -> str:
        """What was found, for people."""
        return _SAYS[self.klass][0]

    @property
    def do(self) -> str:
        """What to do about it."""
        return _SAYS[self.klass][1]

    def document(self) -> dict[str, Evidence | bool]:
        """Write the standing as JSON."""
        return {
            "class": str(self.klass),
            "size": self.size,
            "may_write": self.may_write,
            "may_sign": self.may_sign,
            "says": self.says,
            "do": self.do,
            **self.evidence,
        }


def judge(facts: Facts) -> Standing:
    """Compare a database with what is known outside of it; pure.

    A hash that differs outweighs entries that lack, and those outweigh a source that lacks.

    """
    evidence: dict[str, Evidence] = {}
    for tree in facts.known:
        evidence |= {f"{tree.source}_size": tree.size, f"{tree.source}_root": tree.root.hex()}
    klass, more = _klass(facts)
    return Standing(klass, facts.size, evidence | more)


def _klass(facts: Facts) -> tuple[Class, dict[str, Evidence]]:
    fork = _fork(facts)
    if fork is not None:
        return Class.FORKED, fork
    most = max((tree.size for tree in facts.known), default=0)
    if facts.size < most:
        decided = facts.size in facts.mirrored
        missing: dict[str, Evidence] = {"missing": most - facts.size}
        if facts.unreachable is not None:
            missing["reason"] = facts.unreachable
        return (Class.BEHIND if decided else Class.UNDECIDED), missing
    if facts.unreachable is not None:
        return Class.BLIND, {"lacks": MIRROR, "reason": facts.unreachable}
    if facts.size > 0 and all(tree.source != MARK for tree in facts.known):
        return Class.BLIND, {"lacks": MARK}
    broken = _broken_promise(facts)
    if broken is not None:
        return Class.PROMISED, broken
    return (Class.SAME if facts.size == most else Class.AHEAD), {}


def _fork(facts: Facts) -> dict[str, Evidence] | None:
    """Find two different roots for one size."""
    for tree in facts.known:
        own = facts.roots.get(tree.size)
        if own is not None and own != tree.root:
            return _contradiction("database", own, tree)
        mirrored = facts.mirrored.get(tree.size)
        if mirrored is not None and mirrored != tree.root:
            return _contradiction(MIRROR, mirrored, tree)
    mirrored = facts.mirrored.get(facts.size)
    own = facts.roots.get(facts.size)
    if mirrored is not None and own is not None and mirrored != own:
        return _contradiction("database", own, Tree(MIRROR, facts.size, mirrored))
    return None


def _contradiction(source: str, root: bytes, tree: Tree) -> dict[str, Evidence]:
    return {
        "fork_size": tree.size,
        "fork_between": f"{source} and {tree.source}",
        "fork_roots": f"{root.hex()} and {tree.root.hex()}",
    }


def _broken_promise(facts: Facts) -> dict[str, Evidence] | None:
    for promise, found in facts.promises:
        if found != promise.leaf:
            return {
                "promised_index": promise.index,
                "promised_leaf": promise.leaf.hex(),
                "found_leaf": None if found is None else found.hex(),
            }
    return None


class MarkReader(Protocol):
    """Where the signer's mark is read."""

    def read(self) -> Marked | None:
        """Return the largest tree ever marked; None when there is no mark."""
        ...


class Gate:
    """Judges one open database, as often as it is asked. Thread-safe."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        mark: MarkReader,
        vkey: str,
        *,
        mirror: Mirror | None = None,
    ) -> None:
        """Compare a database with its mark, its own checkpoints and a copy of the log.

        Args:
            recorder: The log's record.
            mark: The signer's mark.
            vkey: Verifier key of the log.
            mirror: A copy of the published log, if one is at hand.

        """
        self._recorder, self._mark, self._mirror = recorder, mark, mirror
        self._reader = LogReader(recorder)
        self._key = VerifierKey.parse(vkey)
        self._lock = threading.Lock()
        self._standing: Standing | None = None
        self._known: Marked | None = None

    def standing(self) -> Standing:
        """Return what was found last; looks when nobody did. Raises as `look` does."""
        return self._standing or self.look()

    def look(self, promises: Sequence[Promise] = ()) -> Standing:
        """Compare again: a few small reads, whatever the size of the log.

        Raises:
            MarkDamaged: The mark cannot be read.
            SignerUnavailable: The signer, who keeps the mark, never answered here.
            StorageError: The database contradicts itself; nothing may be written to it.
            DatabaseUnavailable: It cannot be read.

        """
        with self._lock:
            found = judge(self._facts(promises))
            if not promises:
                self._standing = found
            return found

    def admit_writing(self) -> None:
        """Pass if commands may be accepted.

        Raises:
            WriteLocked: They may not; the evidence says why.

        """
        standing = self.standing()
        if not standing.may_write:
            raise WriteLocked(
                f"{standing.says} Nothing is written.",
                do=standing.do,
                **{"class": str(standing.klass)},
                **standing.evidence,
            )

    def admit_signing(self) -> None:
        """Look again, and pass if checkpoints may be signed.

        Raises:
            SignLocked: They may not.
            MarkDamaged: The mark cannot be read.

        """
        standing = self.look()
        if not standing.may_sign:
            raise SignLocked(str(standing.klass), standing.says, do=standing.do)

    def _facts(self, promises: Sequence[Promise]) -> Facts:
        # What is known outside is read first: what is appended meanwhile can only be ahead of it.
        marked = self._marked()
        known = [] if marked is None else [Tree(MARK, marked.size, marked.root)]
        published = self._published()
        if published is not None:
            known.append(Tree(PUBLISHED, published.size, published.root))
        mirrored, unreachable = None, None
        if self._mirror is not None:
            try:
                mirrored = self._mirror.checkpoint()
                known.append(Tree(MIRROR, mirrored.size, mirrored.root))
            except MirrorUnusable as error:
                unreachable = error.reason
        size = self._recorder.head().size
        sizes = {size, *(tree.size for tree in known)}
        proven: dict[int, bytes] = {}
        if self._mirror is not None and mirrored is not None:
            try:
                covered = sorted(each for each in sizes if each <= mirrored.size)
                proven = {each: self._mirror.root(each) for each in covered}
            except MirrorUnusable as error:
                unreachable = error.reason
        if not proven:
            sizes.discard(size)
            sizes.update(tree.size for tree in known)
        return Facts(
            size=size,
            known=known,
            roots={each: self._reader.root(each) for each in sizes if each <= size},
            mirrored=proven,
            promises=[(each, self._leaf(each.index)) for each in promises],
            unreachable=unreachable,
        )

    def _marked(self) -> Marked | None:
        """Read the mark; while its keeper does not answer, the one that was read last.

        It only ever grows, so that what contradicted it then contradicts it now.
        """
        try:
            self._known = self._mark.read()
        except SignerUnavailable:
            if self._known is None:
                raise
        return self._known

    def _published(self) -> Checkpoint | None:
        latest = self._recorder.latest_checkpoint()
        if latest is None:
            return None
        try:
            return open_checkpoint(latest.note, log=self._key)[0]
        except VerificationError as error:
            raise CheckpointDamaged(latest.size, str(error)) from error

    def _leaf(self, index: int) -> bytes | None:
        found = self._recorder.entry_at(index)
        return None if found is None else found.leaf


class GatedSigner:
    """A signer of trees that is asked only after the gate let through."""

    def __init__(self, signer: TreeSigner, gate: Gate) -> None:
        """Put a gate before a signer."""
        self._signer, self._gate = signer, gate

    def extend(self) -> AbstractContextManager[Extension]:
        """Begin an extension, as the signer does.

        Raises:
            SignLocked: The database is not the one that the log was signed from.
            SignerError: As the signer raises it.
            MarkDamaged: The mark cannot be read.

        """
        self._gate.admit_signing()
        return self._signer.extend()
