"""The signer in another process: the same verb `extend`, over a Unix socket.

What comes back is believed no more than what a damaged disk gives: the publisher opens the note
with the log's own key. Specification: docs/spec.md section 13.6.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.log.errors import MarkMissing, ProtocolBroken, SignerUnavailable
from ledger.log.extending import Extension
from ledger.log.frames import (
    ADD,
    KNOWN,
    NOTE,
    OPEN,
    REFUSED,
    SIGN,
    VERSION,
    Closed,
    Frames,
    read_document,
    write_document,
    write_entries,
)
from ledger.log.mark import Marked
from ledger.rules.errors import Malformed
from ledger.rules.text import hex32

ANSWER_S: Final = 60.0


class RemoteTreeSigner:
    """Signs through the process that listens on a Unix socket. Thread-safe."""

    def __init__(self, path: Path, *, origin: str, answer_s: float = ANSWER_S) -> None:
        """Sign for one log.

        Args:
            path: The socket of `yinzheng signer`.
            origin: Name of the log.
            answer_s: Most seconds to wait for an answer.

        """
        self._path, self._origin, self._answer_s = path, origin, answer_s

    @contextmanager
    def extend(self) -> Iterator[Extension]:
        """Begin an extension of the tree that was signed last.

        Raises:
            SignerUnavailable: Nobody answers, or the answer broke off.
            SignerRefused: The signer will not serve this caller.
            ProtocolBroken: What it says is not in the protocol.
            MarkMissing: It has lost its mark.
            MarkDamaged: Its mark cannot be read.

        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
            talk = _Talk(connected, self._path, self._answer_s)
            yield _Remote(talk, talk.open(self._origin))

    def read(self) -> Marked | None:
        """Return the largest tree that the signer ever signed; None when it has no mark.

        Raises:
            SignerUnavailable: Nobody answers, or the answer broke off.
            MarkDamaged: Its mark cannot be read.

        """
        try:
            with self.extend() as extension:
                return extension.marked
        except MarkMissing:
            return None


class _Talk:
    """One conversation; every failure of the socket is a `SignerUnavailable`."""

    def __init__(self, connected: socket.socket, path: Path, answer_s: float) -> None:
        self._socket, self._path = connected, path
        self._frames = Frames(connected, frame_s=answer_s)

    def open(self, origin: str) -> tuple[Marked, int]:
        with self._typed():
            self._socket.connect(str(self._path))
        self.say(OPEN, write_document(log=origin, v=VERSION))
        document = read_document(self.hear(KNOWN), held=int, root=str, size=int, v=int)
        size, held = document["size"], document["held"]
        if document["v"] != VERSION or size < 0 or held not in {0, size}:
            raise ProtocolBroken("a mark of no tree")
        try:
            return Marked(size, hex32(document["root"], field="root")), held
        except Malformed as error:
            raise ProtocolBroken(str(error)) from error

    def say(self, kind: int, payload: bytes) -> None:
        """Send; the signer refuses by an answer, also in the middle of what it is told."""
        try:
            self._frames.send(kind, payload)
        except (BrokenPipeError, ConnectionResetError):
            self.hear()
        except OSError as error:
            raise self._gone(error) from error

    def hear(self, *kinds: int) -> bytes:
        with self._typed():
            return self._frames.receive(*kinds, REFUSED)[1]

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except Closed:
            raise SignerUnavailable(str(self._path), "closed the connection") from None
        except OSError as error:
            raise self._gone(error) from error

    def _gone(self, error: OSError) -> SignerUnavailable:
        if isinstance(error, TimeoutError):
            return SignerUnavailable(str(self._path), "does not answer in time")
        reason = os.strerror(error.errno) if error.errno else str(error)
        return SignerUnavailable(str(self._path), reason)


class _Remote:
    """An extension in the signer's process."""

    def __init__(self, talk: _Talk, known: tuple[Marked, int]) -> None:
        self._talk = talk
        self.marked, self._size = known

    @property
    def size(self) -> int:
        return self._size

    def add(self, entries: Sequence[bytes]) -> None:
        for payload in write_entries(entries):
            self._talk.say(ADD, payload)
        self._size += len(entries)

    def sign(self, size: int, root: bytes) -> bytes:
        self._talk.say(SIGN, write_document(root=root.hex(), size=size))
        return self._talk.hear(NOTE)
