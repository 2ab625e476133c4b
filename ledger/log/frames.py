"""The signer's protocol on a socket: frames, what they say, and nothing else.

A frame is a big-endian 32-bit length of 1 to 1,048,576, a byte that names its kind, and the rest:

    O  open        {"log": origin, "v": 1}              publisher to signer, first
    K  known       {"held", "root", "size", "v": 1}     signer to publisher
    A  add         entries, each a big-endian 16-bit length and its bytes; at least one
    S  sign        {"root", "size"}                     publisher to signer, last
    N  note        the signed checkpoint                signer to publisher, last
    R  refused     {"code", "evidence"}                 signer to publisher, last, at any time

Specification: docs/spec.md section 13.6.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ledger.log.errors import ProtocolBroken
from ledger.log.refusals import read_refusal
from ledger.proof.tiles import ENTRY_BYTES_MAX
from ledger.rules.canonical import decode, encode
from ledger.rules.errors import Malformed

FRAME_BYTES_MAX: Final = 1 << 20
VERSION: Final = 1
OPEN, KNOWN, ADD, SIGN, NOTE, REFUSED = b"OKASNR"

_HEADER_BYTES: Final = 4
_LENGTH_BYTES: Final = 2
_AT_ONCE: Final = 1 << 16


class Closed(Exception):
    """The other side ended the connection between two frames."""


class Frames:
    """Frames on one connected socket, each read and written within a time."""

    def __init__(
        self,
        connected: socket.socket,
        *,
        frame_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Speak on a socket.

        Args:
            connected: A connected stream socket.
            frame_s: Most seconds from waiting for a frame to its last byte.
            clock: Seconds that only grow.

        """
        self._socket, self._frame_s, self._clock = connected, frame_s, clock

    def send(self, kind: int, payload: bytes) -> None:
        """Write one frame.

        Raises:
            OSError: The other side is gone, or does not read.
            ProtocolBroken: The payload does not fit into a frame.

        """
        length = 1 + len(payload)
        if length > FRAME_BYTES_MAX:
            raise ProtocolBroken(f"a frame of {length} bytes")
        self._socket.settimeout(self._frame_s)
        self._socket.sendall(length.to_bytes(_HEADER_BYTES, "big") + bytes([kind]) + payload)

    def receive(self, *kinds: int) -> tuple[int, bytes]:
        """Read one frame of one of these kinds.

        Raises:
            Closed: There are no more frames.
            ProtocolBroken: It is of another kind or length, or broke off.
            TimeoutError: It did not come in time.
            OSError: The connection failed.
            SignerError: A refusal came where it is expected; whatever it says.
            StorageError: Likewise.

        """
        deadline = self._clock() + self._frame_s
        header = self._exactly(_HEADER_BYTES, deadline, may_end=True)
        length = int.from_bytes(header, "big")
        if not 1 <= length <= FRAME_BYTES_MAX:
            raise ProtocolBroken(f"a frame of {length} bytes")
        frame = self._exactly(length, deadline)
        kind, payload = frame[0], frame[1:]
        if kind not in kinds:
            raise ProtocolBroken(f"a frame of kind {kind}")
        if kind == REFUSED:
            raise read_refusal(payload)
        return kind, payload

    def _exactly(self, count: int, deadline: float, *, may_end: bool = False) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            left = deadline - self._clock()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            part = self._socket.recv(min(count - len(parts), _AT_ONCE))
            if not part:
                if may_end and not parts:
                    raise Closed
                raise ProtocolBroken(f"a frame that ends after {len(parts)} of {count} bytes")
            parts += part
        return bytes(parts)


def write_entries(entries: Sequence[bytes]) -> Iterator[bytes]:
    """Pack entries into the payloads of as few frames as hold them.

    Raises:
        ProtocolBroken: An entry exceeds 65,535 bytes.

    """
    packed = bytearray()
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise ProtocolBroken(f"an entry of {len(entry)} bytes")
        if len(packed) + _LENGTH_BYTES + len(entry) >= FRAME_BYTES_MAX:
            yield bytes(packed)
            packed.clear()
        packed += len(entry).to_bytes(_LENGTH_BYTES, "big") + entry
    if packed:
        yield bytes(packed)


def read_entries(payload: bytes) -> list[bytes]:
    """Unpack the entries of one frame. Raises `ProtocolBroken`."""
    entries: list[bytes] = []
    at = 0
    while at < len(payload):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(payload[at:start], "big")
        if at > len(payload) or start > len(payload):
            raise ProtocolBroken(f"an end inside entry {len(entries)} of a frame")
        entries.append(payload[start:at])
    if not entries:
        raise ProtocolBroken("a frame without entries")
    return entries


def write_document(**fields: Any) -> bytes:
    """Write the document of a frame."""
    return encode(fields)


def read_document(payload: bytes, **types: type) -> dict[str, Any]:
    """Read the document of a frame: exactly these fields, of these types.

    Raises:
        ProtocolBroken: It is no such document.

    """
    try:
        document = decode(payload, limit=FRAME_BYTES_MAX)
    except Malformed as error:
        raise ProtocolBroken(str(error)) from error
    found = {name: type(value) for name, value in document.items()} if _is_object(document) else {}
    if found != types:
        raise ProtocolBroken(f"a document without the fields {', '.join(sorted(types))}")
    return dict(document)


def _is_object(document: object) -> bool:
    return isinstance(document, dict)
