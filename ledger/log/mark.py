"""The signer's mark: the largest tree that was ever signed here, kept outside the database.

The mark is durable before a signature leaves, never goes back and never names two roots for one
size, whatever the database says and however many processes ask. With it lie the hashes of the
tree's right edge, from which alone the signer goes on after a restart; they are believed because
they hash to the marked root. Specification: docs/spec.md section 13.5.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ledger.log.errors import HeadBehind, MarkDamaged, MarkMissing, MarkMoved, RootDiffers
from ledger.log.files import sync_folder, write_durably
from ledger.proof.hashing import EMPTY_ROOT
from ledger.proof.tree import fold
from ledger.rules.errors import Malformed
from ledger.rules.text import decimal, hex32

# One line for the tree, and at most 63 for its edge.
_BYTES_MAX: Final = 8_192
_PRIVATE_FILE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Marked:
    """A tree that was, or is about to be, signed: its size and its 32-byte root.

    `edge` holds its peaks, largest first: one hash for each set bit of the size. It is None where
    only size and root are known. Two marks are equal when they name the same tree.
    """

    size: int
    root: bytes
    edge: tuple[bytes, ...] | None = field(default=None, compare=False, repr=False)


EMPTY: Final = Marked(0, EMPTY_ROOT, ())


class Mark:
    """A file: the size, a space and the root in hex; the hashes of the edge; a SHA-256 of these.

    Each hash is a line. One line alone is the mark of an earlier version.
    """

    def __init__(self, path: Path) -> None:
        """Use a file in a folder that is not restored together with the database."""
        self.path = path

    def read(self) -> Marked | None:
        """Return the largest tree ever marked; None where there is no mark.

        Raises:
            MarkDamaged: The file is there and cannot be read as a mark.

        """
        try:
            with self.path.open("rb") as file:
                content = file.read(_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MarkDamaged(str(self.path), os.strerror(error.errno or 0)) from error
        return self._parse(content)

    def begin(self) -> None:
        """Write the mark of the empty tree, durably, unless there is a mark.

        For a new log only: where entries exist, the absence of a mark is a loss.

        Raises:
            MarkDamaged: The mark that is there cannot be read.

        """
        with self._locked():
            if self.read() is None:
                self._write(EMPTY)

    def advance(self, marked: Marked, *, after: Marked | None = None) -> None:
        """Write a larger tree durably, whole or not at all; the same tree again is written again.

        Args:
            marked: The tree that is about to be signed.
            after: The mark on which that was decided; any smaller one when None.

        Raises:
            RootDiffers: This size is marked with another root.
            HeadBehind: A larger tree is marked.
            MarkMoved: Somebody else marked another tree since `after`.
            MarkMissing: The mark `after` is gone.
            MarkDamaged: The mark before cannot be read.
            OSError: It could not be made durable.

        """
        with self._locked():
            before = self.read()
            if after is not None and before is None:
                raise MarkMissing(str(self.path))
            # An equal mark is written too: whoever wrote it may have failed to make it durable.
            if before is not None and before != marked:
                _check_forward(before, marked, after)
            self._write(marked)

    def take_over(self, older: Path) -> None:
        """Move the mark of an earlier version, which has no edge, to this name.

        Raises:
            MarkDamaged: One of the two cannot be read.
            RootDiffers: They name one size with two roots.

        """
        if not older.exists():
            return
        with self._locked():
            theirs, ours = Mark(older).read(), self.read()
            if theirs is None:
                return
            if ours is None or ours.size < theirs.size:
                older.replace(self.path)
            elif ours.size == theirs.size and ours != theirs:
                raise RootDiffers(ours.size, signed=ours.root, computed=theirs.root)
            else:
                older.unlink()
            sync_folder(self.path.parent)

    def _parse(self, content: bytes) -> Marked:
        try:
            lines = content.decode("ascii").split("\n")
            if lines.pop() != "" or not lines:
                raise MarkDamaged(str(self.path), "does not end in a line")
            size, _, root = lines[0].partition(" ")
            marked = Marked(decimal(size, field="size"), hex32(root, field="root"))
            if len(lines) == 1:
                return EMPTY if marked == EMPTY else marked
            return self._whole(marked, lines)
        except (UnicodeDecodeError, Malformed) as error:
            raise MarkDamaged(str(self.path), "is no size and root") from error

    def _whole(self, marked: Marked, lines: list[str]) -> Marked:
        if lines[-1] != _checksum(lines[:-1]):
            raise MarkDamaged(str(self.path), "has another checksum")
        edge = tuple(hex32(line, field="edge") for line in lines[1:-1])
        if len(edge) != marked.size.bit_count() or fold(edge) != marked.root:
            raise MarkDamaged(str(self.path), "has an edge that is not that of its root")
        return Marked(marked.size, marked.root, edge)

    def _write(self, marked: Marked) -> None:
        lines = [f"{marked.size} {marked.root.hex()}"]
        if marked.edge is not None:
            lines += [peak.hex() for peak in marked.edge]
            lines.append(_checksum(lines))

        def check(written: bytes) -> None:
            """Refuse what does not say this tree before it takes the place of a sound mark."""
            if self._parse(written) != marked:
                raise MarkDamaged(str(self.path), "was not written as it should be")

        content = "".join(f"{line}\n" for line in lines).encode("ascii")
        write_durably(self.path, content, check=check)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads and processes from writing the mark meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        # Beside the mark, which is replaced whole: a lock on the old file would lock nothing.
        handle = os.open(self.path.with_name(f"{self.path.name}.lock"), flags, _PRIVATE_FILE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _checksum(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _check_forward(before: Marked, marked: Marked, after: Marked | None) -> None:
    if before.size == marked.size:
        raise RootDiffers(marked.size, signed=before.root, computed=marked.root)
    if after is not None and before != after:
        raise MarkMoved(expected=after.size, found=before.size)
    if before.size > marked.size:
        raise HeadBehind(size=marked.size, published=before.size)
