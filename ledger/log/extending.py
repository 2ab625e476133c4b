"""The signer of trees: the one verb `extend`, and the signer that runs in this process.

Whoever extends hands over the entries that follow the tree which the signer signed last. The signer
hashes them itself, onto the edge of that very tree, so that what it signs is consistent with all it
ever signed; its mark is durable before a signature exists. It signs nothing else: there is no way
to have it sign bytes. Specification: docs/spec.md section 13.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from ledger.log.errors import (
    HeadBehind,
    MarkMissing,
    RootDiffers,
    SignatureFaulty,
    TreeDisagrees,
    WrongCheckpointKey,
)
from ledger.log.mark import Mark, Marked
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import sign_note
from ledger.proof.tree import CompactRange
from ledger.proof.vkey import format_vkey
from ledger.signer import Signer


class Extension(Protocol):
    """A tree that grows out of the one that was signed last."""

    @property
    def marked(self) -> Marked:
        """The largest tree that the signer ever signed, when the extension began."""

    @property
    def size(self) -> int:
        """Index of the entry to hand over next."""

    def add(self, entries: Sequence[bytes]) -> None:
        """Hand over entries, exact bytes, from index `size` on.

        Raises:
            SignerError: The signer is gone or refused.
            StorageError: They lead to another tree than the signed one.

        """

    def sign(self, size: int, root: bytes) -> bytes:
        """Have the tree signed; once.

        Args:
            size: Number of entries handed over and known before, as the caller counts them.
            root: Root of the tree as the caller computed it, 32 bytes.

        Returns:
            The checkpoint, a signed note.

        Raises:
            TreeDisagrees: The signer has another tree; nothing was marked or signed.
            HeadBehind: A larger tree was signed; nothing was signed.
            MarkMoved: Somebody else extended meanwhile: begin again.
            SignerError: The signer is gone or refused.
            MarkDamaged: The mark cannot be read; nothing was signed.

        """


class TreeSigner(Protocol):
    """Signs the trees of one log, each an extension of the one before."""

    def extend(self) -> AbstractContextManager[Extension]:
        """Begin an extension of the tree that was signed last; dropped unless it is signed.

        Raises:
            SignerError: The signer is gone or refused, or has lost its mark.
            MarkDamaged: The mark cannot be read.

        """


class KeyTreeSigner:
    """Signs in this process, with a key at hand. Thread-safe."""

    def __init__(self, key: Signer, *, origin: str, vkey: str, mark: Mark) -> None:
        """Sign for one log.

        Args:
            key: The checkpoint key, Ed25519.
            origin: Name of the log.
            vkey: Verifier key of the log, from entry 0.
            mark: Remembers the largest signed tree; begun when the log was made.

        Raises:
            WrongCheckpointKey: The key under this origin is not `vkey`.
            MalformedKey: The key cannot be used.

        """
        found = format_vkey(origin, public=key.public)
        if found != vkey:
            raise WrongCheckpointKey(expected=vkey, found=found)
        self._key, self._origin, self._mark = key, origin, mark

    @contextmanager
    def extend(self) -> Iterator[Extension]:
        """Begin an extension of the tree that was signed last.

        Raises:
            MarkMissing: There is no mark.
            MarkDamaged: The mark cannot be read.

        """
        marked = self._mark.read()
        if marked is None:
            raise MarkMissing(str(self._mark.path))
        yield _Growing(self._key, self._origin, self._mark, marked)


class _Growing:
    """An extension in this process."""

    def __init__(self, key: Signer, origin: str, mark: Mark, marked: Marked) -> None:
        self._key, self._origin, self._mark = key, origin, mark
        self.marked = marked
        # A mark without an edge is only believed after all its entries were seen again.
        known = marked.edge is not None
        self._range = CompactRange(marked.size, marked.edge or ()) if known else CompactRange()

    @property
    def size(self) -> int:
        return self._range.size

    def add(self, entries: Sequence[bytes]) -> None:
        for entry in entries:
            self._range.append(leaf_hash(entry))
            if self._range.size == self.marked.size:
                self._check_mark()

    def sign(self, size: int, root: bytes) -> bytes:
        computed = self._range.root()
        if (size, root) != (self._range.size, computed):
            raise TreeDisagrees(
                size=size, found_size=self._range.size, root=root, computed=computed
            )
        if size < self.marked.size:
            raise HeadBehind(size=size, published=self.marked.size)
        self._mark.advance(Marked(size, root, self._range.hashes), after=self.marked)
        text = Checkpoint(self._origin, size, root).text
        try:
            return sign_note(text, name=self._origin, public=self._key.public, sign=self._key.sign)
        except VerificationError as error:
            raise SignatureFaulty(size, str(error)) from error

    def _check_mark(self) -> None:
        computed = self._range.root()
        if computed != self.marked.root:
            raise RootDiffers(self.marked.size, signed=self.marked.root, computed=computed)
