"""The signer as a process of its own: serves `extend` on a Unix socket, and nothing else.

One thread a connection, each with a bounded frame in memory and the edge of one tree; what is not
in the protocol ends its connection and changes nothing. Specification: docs/spec.md section 13.6.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

from ledger.errors import LedgerError
from ledger.log.errors import LogError, ProtocolBroken, SignerRefused
from ledger.log.extending import Extension, TreeSigner
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
    read_entries,
    write_document,
)
from ledger.log.refusals import write_refusal
from ledger.rules.errors import Malformed
from ledger.rules.text import hex32

FRAME_S: Final = 30.0
CONNECTIONS_MAX: Final = 16
_BACKLOG: Final = 16
_CREDENTIALS: Final = struct.Struct("3i")
_PRIVATE: Final = 0o177
_ANYBODY: Final = 0o666
_LOG = logging.getLogger("yinzheng.signer")


def listen(path: Path, *, peers: Collection[int]) -> socket.socket:
    """Take a socket that only its owner can open, or, for peers of other users, any local user.

    Who connects is asked of the kernel in either case. A socket that nobody listens on is replaced.

    Args:
        path: Where; its folder exists.
        peers: User ids that may connect.

    Raises:
        OSError: The address is in use, or cannot be had.

    """
    _remove_dead(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_PRIVATE)
    try:
        listening.bind(str(path))
        if set(peers) != {os.geteuid()}:
            path.chmod(_ANYBODY)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _remove_dead(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


class SignerService:
    """Answers publishers, several at once."""

    def __init__(
        self,
        signer: TreeSigner,
        *,
        origin: str,
        peers: Collection[int],
        frame_s: float = FRAME_S,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """Serve the signer of one log.

        Args:
            signer: Signs its trees, in this process.
            origin: Name of the log.
            peers: User ids that may connect.
            frame_s: Most seconds to wait for a frame.
            connections_max: Most connections at once.

        """
        self._signer, self._origin = signer, origin
        self._peers, self._frame_s = frozenset(peers), frame_s
        self._free = threading.BoundedSemaphore(connections_max)

    def serve(self, listening: socket.socket) -> None:
        """Accept until the socket is shut down or closed."""
        while True:
            try:
                connected, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connected,), daemon=True).start()

    def _handle(self, connected: socket.socket) -> None:
        with connected:
            frames = Frames(connected, frame_s=self._frame_s)
            if not self._free.acquire(blocking=False):
                self._refuse(frames, SignerRefused("busy", "too many connections at once"))
                return
            try:
                self._answer(connected, frames)
            except Closed:
                pass
            except TimeoutError:
                self._refuse(frames, SignerRefused("too-slow", "a frame did not come in time"))
            except (LogError, LedgerError, OSError) as error:
                self._refuse(frames, error)
            finally:
                self._free.release()

    def _answer(self, connected: socket.socket, frames: Frames) -> None:
        self._check_peer(connected)
        opened = read_document(frames.receive(OPEN)[1], log=str, v=int)
        if opened != {"log": self._origin, "v": VERSION}:
            raise SignerRefused("another-log", f"this is the signer of {self._origin}")
        with self._signer.extend() as extension:
            marked = extension.marked
            known = write_document(
                held=extension.size, root=marked.root.hex(), size=marked.size, v=VERSION
            )
            frames.send(KNOWN, known)
            frames.send(NOTE, self._sign(frames, extension))

    def _sign(self, frames: Frames, extension: Extension) -> bytes:
        while True:
            kind, payload = frames.receive(ADD, SIGN)
            if kind == SIGN:
                asked = read_document(payload, root=str, size=int)
                try:
                    root = hex32(asked["root"], field="root")
                except Malformed as error:
                    raise ProtocolBroken(str(error)) from error
                return extension.sign(asked["size"], root)
            extension.add(read_entries(payload))

    def _check_peer(self, connected: socket.socket) -> None:
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        if uid not in self._peers:
            raise SignerRefused("peer", f"user {uid} may not ask this signer")

    def _refuse(self, frames: Frames, error: LogError | LedgerError | OSError) -> None:
        _LOG.warning("refused: %s", error)
        try:
            frames.send(REFUSED, write_refusal(error))
        except OSError as gone:
            _LOG.info("the caller is gone: %s", gone)
