"""The gate: whether this database is the one that the log was signed from, before it is used.

It reads what `ledger.log.standing` judges: the database, the signer's mark, its own checkpoints,
and a mirror where one is named. Nothing is written or signed past it.

Decision: docs/adr/0016. Specification: docs/spec.md section 13.7.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ledger.errors import WriteLocked
from ledger.log.errors import CheckpointDamaged, MirrorUnusable, SignerUnavailable, SignLocked
from ledger.log.extending import Extension, TreeSigner
from ledger.log.mark import Marked
from ledger.log.mirror import Mirror
from ledger.log.reader import LogReader
from ledger.log.standing import (
    MARK,
    MIRROR,
    PUBLISHED,
    Facts,
    Promise,
    Standing,
    Tree,
    judge,
)
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.vkey import VerifierKey
from ledger.record.recorder import LedgerRecorder


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
        sizes = {tree.size for tree in known}
        proven: dict[int, bytes] = {}
        if self._mirror is not None and mirrored is not None:
            try:
                covered = sorted(each for each in {size, *sizes} if each <= mirrored.size)
                proven = {each: self._mirror.root(each) for each in covered}
            except MirrorUnusable as error:
                unreachable = error.reason
        if proven:
            sizes.add(size)
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
