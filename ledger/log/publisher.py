"""The publisher: signs a tree only after every new entry was read back and checked.

Steps, in order; after any failure nothing is signed:
  1. the latest checkpoint opens with the log's own key, and the stored tree has its root
  2. the signer's mark, kept outside the database, is a tree of this log
  3. each new entry is read back and checked from its bytes, its leaf joins the tree
  4. the last leaf is the head's
  5. full tiles are stored, the mark is made durable, the checkpoint is signed and committed
Only a committed checkpoint is returned (the publish barrier).
Specification: docs/spec.md section 13.3; c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import threading
from typing import Final

from eventsourcing.persistence import IntegrityError

from ledger.log.edge import Edge
from ledger.log.errors import (
    CheckpointDamaged,
    EntryMissing,
    HeadBehind,
    ReadBackDiffers,
    RootDiffers,
    WrongCheckpointKey,
)
from ledger.log.mark import Mark, Marked
from ledger.log.reader import LogReader
from ledger.log.reread import Rereading
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import EMPTY_ROOT
from ledger.proof.note import sign_note
from ledger.proof.vkey import VerifierKey, format_vkey
from ledger.record import facts
from ledger.record.errors import CheckpointConflict
from ledger.record.recorder import LedgerRecorder
from ledger.signer import Signer

ENTRIES_AT_ONCE: Final = 1_000


class Publisher:
    """Signs checkpoints of one log. Thread-safe; of several publishers the first one wins."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        signer: Signer,
        origin: str,
        vkey: str,
        mark: Mark | None = None,
    ) -> None:
        """Publish for one log.

        Args:
            recorder: The log's record.
            signer: Holds the checkpoint key, Ed25519.
            origin: Name of the log.
            vkey: Verifier key of the log, from entry 0.
            mark: Remembers the largest signed tree outside the database.

        Raises:
            WrongCheckpointKey: The signer's key under this origin is not `vkey`.
            MalformedKey: `vkey` or the key cannot be used.

        """
        found = format_vkey(origin, public=signer.public)
        if found != vkey:
            raise WrongCheckpointKey(expected=vkey, found=found)
        self._recorder, self._signer, self._mark = recorder, signer, mark
        self._origin, self._key = origin, VerifierKey.parse(vkey)
        self._reader = LogReader(recorder)
        self._lock = threading.Lock()
        # Parties and stream heads as checked so far; only good if nobody else published since.
        self._rereading: Rereading | None = None

    def publish(self) -> bytes | None:
        """Sign and publish the tree of all entries.

        Returns:
            The committed checkpoint; None when nothing is new, or another publisher was first.

        Raises:
            StorageError: What was read back contradicts; nothing was signed.
            MarkDamaged: The mark cannot be read; nothing was signed.
            TileConflict: A stored tile holds other hashes; nothing was signed.
            OutcomeUnknown: COMMIT gave no clear answer; publish again to learn it.
            DatabaseUnavailable: Nothing was published.

        Spec: docs/spec.md section 13.3.

        """
        with self._lock:
            try:
                return self._publish()
            except BaseException:
                # What was checked before a failure is checked again.
                self._rereading = None
                raise

    def _publish(self) -> bytes | None:
        # Oldest first: what others publish meanwhile can only be ahead of it.
        marked = self._mark.read() if self._mark else None
        latest = self._recorder.latest_checkpoint()
        head = self._recorder.head()
        seen = max(latest.size if latest else 0, marked.size if marked else 0)
        if head.size < seen:
            raise HeadBehind(size=head.size, published=seen)
        if head.size == (latest.size if latest else 0):
            return None
        edge = self._published_edge(latest)
        if marked is not None and marked.size < edge.size:
            self._check_mark(marked, self._reader.root(marked.size))
        self._extend(edge, head, marked)
        return self._sign(edge, latest)

    def _published_edge(self, latest: facts.Checkpoint | None) -> Edge:
        """Read the edge of the published tree and compare its root with the signed one."""
        edge = Edge.read(latest.size if latest else 0, self._reader.hashes)
        signed = self._open(latest).root if latest else EMPTY_ROOT
        computed = edge.root()
        if computed != signed:
            raise RootDiffers(edge.size, signed=signed, computed=computed)
        return edge

    def _open(self, published: facts.Checkpoint) -> Checkpoint:
        try:
            checkpoint, _ = open_checkpoint(published.note, log=self._key)
        except VerificationError as error:
            raise CheckpointDamaged(published.size, str(error)) from error
        if checkpoint.size != published.size:
            raise CheckpointDamaged(published.size, f"its note says {checkpoint.size}")
        return checkpoint

    def _extend(self, edge: Edge, head: facts.HeadRow, marked: Marked | None) -> None:
        """Add every new entry to the tree, read back and checked."""
        rereading = self._rereading
        if rereading is None or rereading.next_index != edge.size:
            rereading = Rereading(self._recorder, origin=self._origin, start=edge.size)
        leaf = None
        self._pass_mark(edge, marked)
        while edge.size < head.size:
            stop = min(edge.size + ENTRIES_AT_ONCE, head.size)
            rows = self._recorder.entries(edge.size, stop)
            if not rows:
                raise EntryMissing(edge.size)
            for row in rows:
                leaf = bytes.fromhex(rereading.take(row).leaf)
                edge.append(leaf)
                self._pass_mark(edge, marked)
        rereading.finish()
        if leaf != head.leaf:
            raise ReadBackDiffers(head.size - 1, "head", expected=leaf, found=head.leaf)
        self._rereading = rereading

    def _pass_mark(self, edge: Edge, marked: Marked | None) -> None:
        if marked is not None and marked.size == edge.size:
            self._check_mark(marked, edge.root())

    def _check_mark(self, marked: Marked, root: bytes) -> None:
        if marked.root != root:
            raise RootDiffers(marked.size, signed=marked.root, computed=root)

    def _sign(self, edge: Edge, latest: facts.Checkpoint | None) -> bytes | None:
        self._store(edge)
        checkpoint = Checkpoint(self._origin, edge.size, edge.root())
        if self._mark is not None:
            self._mark.advance(Marked(checkpoint.size, checkpoint.root))
        note = sign_note(
            checkpoint.text,
            name=self._origin,
            public=self._signer.public,
            sign=self._signer.sign,
        )
        try:
            self._recorder.put_checkpoint(checkpoint.size, note, latest.size if latest else None)
        except CheckpointConflict:
            self._check_winner(checkpoint)
            return None
        return note

    def _store(self, edge: Edge) -> None:
        try:
            self._recorder.put_tiles(edge.full)
        except IntegrityError:
            # Another publisher stores the same tiles at this moment; a second try compares them.
            self._recorder.put_tiles(edge.full)

    def _check_winner(self, checkpoint: Checkpoint) -> None:
        """Check that whoever published first did not publish another tree of our size."""
        published = self._recorder.checkpoint_at(checkpoint.size)
        if published is not None:
            signed = self._open(published).root
            if signed != checkpoint.root:
                raise RootDiffers(checkpoint.size, signed=signed, computed=checkpoint.root)
