"""The publisher: signs a tree only after every new entry was read back and checked.

Steps, in order; after any failure nothing is signed:
  1. the latest checkpoint opens with the log's own key, and the stored tree has its root
  2. the signer's mark, kept outside the database, is a tree of this log
  3. each new entry is read back and checked from its bytes; what follows from its command is
     derived again from what is stored before it; its leaf joins the tree; its bytes go to the
     signer, which computes the tree once more by itself
  4. the last leaf is the head's
  5. what was read is on every replica that a commit waits for; full tiles are stored; the signer
     makes its mark durable and signs, if it has the same tree
  6. the note is opened again, once more as it is stored, and committed
Only a committed checkpoint is returned (the publish barrier).
Specification: docs/spec.md section 13.3; c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import Final

from eventsourcing.persistence import IntegrityError

from ledger import codec
from ledger.crashpoints import CrashPoint, reach
from ledger.log.edge import Edge
from ledger.log.errors import (
    CheckpointDamaged,
    EntryMissing,
    HeadBehind,
    MarkMoved,
    NoteDiffers,
    ReadBackDiffers,
    RootDiffers,
)
from ledger.log.extending import Extension, TreeSigner
from ledger.log.mark import Marked
from ledger.log.reader import LogReader
from ledger.log.reread import Rereading
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import EMPTY_ROOT, leaf_hash
from ledger.proof.vkey import VerifierKey
from ledger.record import facts
from ledger.record.errors import CheckpointConflict, HeadMoved
from ledger.record.recorder import LedgerRecorder

ENTRIES_AT_ONCE: Final = 1_000
ATTEMPTS: Final = 5


class Publisher:
    """Signs checkpoints of one log. Thread-safe; of several publishers the first one wins."""

    def __init__(
        self, recorder: LedgerRecorder, signer: TreeSigner, origin: str, vkey: str
    ) -> None:
        """Publish for one log.

        Args:
            recorder: The log's record.
            signer: Signs the trees of this log.
            origin: Name of the log.
            vkey: Verifier key of the log, from entry 0.

        Raises:
            MalformedKey: `vkey` cannot be used.

        """
        codec.install()
        self._recorder, self._signer = recorder, signer
        self._origin, self._key = origin, VerifierKey.parse(vkey)
        self._reader = LogReader(recorder)
        self._lock = threading.Lock()
        # The state as folded so far; only good if nobody else published since.
        self._rereading: Rereading | None = None

    def publish(self) -> bytes | None:
        """Sign and publish the tree of all entries.

        Returns:
            The committed checkpoint; None when nothing is new, or another publisher was first.

        Raises:
            StorageError: What was read back contradicts; nothing was signed.
            SignerError: The signer is gone, refused, or has no mark.
            MarkDamaged: The mark cannot be read; nothing was signed.
            TileConflict: A stored tile holds other hashes; nothing was signed.
            HeadMoved: What was read is gone, with the primary that had it; nothing was signed.
            OutcomeUnknown: COMMIT gave no clear answer; publish again to learn it.
            DatabaseUnavailable: Nothing was published.

        Spec: docs/spec.md section 13.3.

        """
        with self._lock:
            for _ in range(ATTEMPTS - 1):
                with suppress(MarkMoved, HeadMoved):
                    return self._publish()
            return self._publish()

    def _publish(self) -> bytes | None:
        try:
            # Its mark first: what others publish meanwhile can only be ahead of it.
            with self._signer.extend() as extension:
                return self._publish_through(extension)
        except BaseException:
            # What was checked before a failure is checked again.
            self._rereading = None
            raise

    def _publish_through(self, extension: Extension) -> bytes | None:
        marked = extension.marked
        latest = self._recorder.latest_checkpoint()
        head = self._recorder.head()
        seen = max(latest.size if latest else 0, marked.size)
        if head.size < seen:
            raise HeadBehind(size=head.size, published=seen)
        if head.size == (latest.size if latest else 0):
            return None
        edge = self._published_edge(latest)
        if marked.size < edge.size:
            self._check_mark(marked, self._reader.root(marked.size))
        try:
            self._catch_up(extension, edge.size)
            self._extend(edge, head, extension)
        except EntryMissing as missing:
            found = self._recorder.head()
            if found != head:
                # Gone with the primary that had it, perhaps; whoever begins again knows.
                raise HeadMoved(expected=head, found=found) from missing
            raise
        # Not what can be read now: a replica may have taken over, and lack what was read before.
        self._recorder.settle(head)
        return self._sign(edge, latest, extension)

    def _catch_up(self, extension: Extension, published: int) -> None:
        """Hand over what was published without this signer, or before its edge was kept."""
        while extension.size < published:
            start = extension.size
            rows = self._recorder.entries(start, min(start + ENTRIES_AT_ONCE, published))
            for index, row in enumerate(rows, start):
                if row.index != index:
                    raise EntryMissing(index)
                leaf = leaf_hash(row.entry)
                if leaf != row.leaf:
                    raise ReadBackDiffers(index, "leaf", expected=leaf, found=row.leaf)
            if not rows:
                raise EntryMissing(start)
            extension.add([row.entry for row in rows])

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

    def _extend(self, edge: Edge, head: facts.HeadRow, extension: Extension) -> None:
        """Add every new entry to the tree, read back and checked."""
        rereading = self._rereading
        if rereading is None or rereading.next_index != edge.size:
            rereading = Rereading(self._recorder, origin=self._origin, start=edge.size)
        leaf = None
        self._pass_mark(edge, extension.marked)
        while edge.size < head.size:
            stop = min(edge.size + ENTRIES_AT_ONCE, head.size)
            rows = self._recorder.entries(edge.size, stop)
            if not rows:
                raise EntryMissing(edge.size)
            rereading.read_ahead(rows)
            for row in rows:
                leaf = bytes.fromhex(rereading.take(row).leaf)
                edge.append(leaf)
                self._pass_mark(edge, extension.marked)
            # Below the mark after a crash between mark and checkpoint: the signer has these.
            extension.add([row.entry for row in rows if row.index >= extension.size])
        rereading.finish()
        if leaf != head.leaf:
            raise ReadBackDiffers(head.size - 1, "head", expected=leaf, found=head.leaf)
        self._rereading = rereading

    def _pass_mark(self, edge: Edge, marked: Marked) -> None:
        if marked.size == edge.size:
            self._check_mark(marked, edge.root())

    def _check_mark(self, marked: Marked, root: bytes) -> None:
        if marked.root != root:
            raise RootDiffers(marked.size, signed=marked.root, computed=root)

    def _sign(
        self, edge: Edge, latest: facts.Checkpoint | None, extension: Extension
    ) -> bytes | None:
        self._store(edge)
        reach(CrashPoint.TILES_STORED)
        checkpoint = Checkpoint(self._origin, edge.size, edge.root())
        note = extension.sign(checkpoint.size, checkpoint.root)
        reach(CrashPoint.SIGNED)
        # Opened as it is stored, inside the transaction that stores it.
        check = partial(self._check_note, checkpoint)
        check(note)
        try:
            before = latest.size if latest else None
            self._recorder.put_checkpoint(checkpoint.size, note, before, check=check)
        except CheckpointConflict:
            self._check_winner(checkpoint)
            return None
        reach(CrashPoint.PUBLISHED)
        return note

    def _check_note(self, checkpoint: Checkpoint, note: bytes) -> None:
        """Open what the signer answered: exactly this checkpoint, signed by the log alone."""
        try:
            found, opened = open_checkpoint(note, log=self._key)
        except VerificationError as error:
            raise NoteDiffers(checkpoint.size, str(error)) from error
        if found != checkpoint or opened.unknown:
            raise NoteDiffers(checkpoint.size, "is another checkpoint, or has other signatures")

    def _store(self, edge: Edge) -> None:
        try:
            self._recorder.put_tiles(edge.full, compare=True)
        except IntegrityError:
            # Another publisher stores the same tiles at this moment; a second try compares them.
            self._recorder.put_tiles(edge.full, compare=True)

    def _check_winner(self, checkpoint: Checkpoint) -> None:
        """Check that whoever published first did not publish another tree of our size."""
        published = self._recorder.checkpoint_at(checkpoint.size)
        if published is not None:
            signed = self._open(published).root
            if signed != checkpoint.root:
                raise RootDiffers(checkpoint.size, signed=signed, computed=checkpoint.root)
