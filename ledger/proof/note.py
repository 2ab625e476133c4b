"""Signed notes: a text, an empty line, and the signatures under it.

Rules, as in Go's `golang.org/x/mod/sumdb/note`:
  - the text ends at the last empty line; the signatures cover it with its final newline;
  - a signature whose (name, key id) the caller does not know is ignored;
  - a known one is verified, and if it fails the whole note is refused;
  - a second signature by the same key is passed over, verified or not;
  - at least one known signature must hold.

Specification: c2sp.org/signed-note, c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ledger.proof.errors import (
    BadSignature,
    MalformedEvidence,
    MalformedKey,
    UnknownKey,
    UnsupportedKey,
    reading,
)
from ledger.proof.keys import ED25519, SIGNATURE_BYTES, verify
from ledger.proof.vkey import KEY_ID_BYTES, TYPE_COSIGNATURE, TYPE_ED25519, VerifierKey, is_name
from ledger.rules.text import b64decode, b64encode

NOTE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 100
TIME_LIMIT = 1 << 63

_STEP = "note"
_PREFIX = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_TIME_BYTES = 8


@dataclass(frozen=True)
class Signature:
    """One signature line.

    Attributes:
        name: Key name, as the line gives it.
        key_id: 4 bytes, as the line gives it.
        signature: The bytes after the key id, at least one.
        time: Seconds since 1970 that a verified cosignature states, else None.

    """

    name: str
    key_id: bytes
    signature: bytes
    time: int | None = None


@dataclass(frozen=True)
class Note:
    """An opened note.

    Attributes:
        text: The signed text, with its final newline.
        verified: Signatures by the caller's keys, each key once, in the note's order.
        unknown: Signatures by other keys; they say nothing.

    """

    text: str
    verified: tuple[Signature, ...]
    unknown: tuple[Signature, ...]


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> Note:
    """Open a signed note with the keys the caller trusts.

    Args:
        data: The note, at most 1 MiB.
        keys: Verifier keys; never taken from the thing verified.

    Raises:
        MalformedEvidence: Not a note, or more than 100 signatures.
        MalformedKey: Two different keys share a name and key id.
        BadSignature: A signature by a known key does not hold.
        UnsupportedKey: A signature is by a known key of a type not checked here.
        UnknownKey: No signature is by a known key.

    Spec: c2sp.org/signed-note.

    """
    known = _by_name(keys)
    text, lines = split_note(data)
    verified: dict[VerifierKey, Signature] = {}
    unsupported: list[VerifierKey] = []
    unknown: list[Signature] = []
    for line in lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            unknown.append(line)
        elif not key.supported:
            unsupported.append(key)
        elif key not in verified:
            verified[key] = _check(key, text, line)
    if unsupported:
        # Last, so that a bad signature anywhere in the note is named first.
        raise UnsupportedKey(
            _STEP,
            f"signatures of type 0x{unsupported[0].kind:02x} are not checked here",
            field="signature",
            found=unsupported[0].label,
        )
    if not verified:
        raise UnknownKey(_STEP, "no signature is by a known key", field="signature")
    return Note(text, tuple(verified.values()), tuple(dict.fromkeys(unknown)))


def split_note(data: bytes) -> tuple[str, list[Signature]]:
    """Split a note into its text and its signature lines, verifying nothing.

    Raises:
        MalformedEvidence: Not a note, or more than 100 signatures.

    """
    if len(data) > NOTE_BYTES_MAX:
        raise MalformedEvidence(
            _STEP,
            "the note is too long",
            field="length",
            expected=NOTE_BYTES_MAX,
            found=len(data),
        )
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedEvidence(_STEP, "the note is not UTF-8", field="text") from None
    if _CONTROL.search(whole):
        raise MalformedEvidence(_STEP, "the note has a control character", field="text")
    text, empty_line, block = whole.rpartition("\n\n")
    if not empty_line:
        raise MalformedEvidence(_STEP, "the note has no empty line", field="text")
    if not block.endswith("\n"):
        raise MalformedEvidence(_STEP, "the note does not end in a line", field="signature")
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedEvidence(
            _STEP,
            "the note has too many signatures",
            field="signature",
            expected=SIGNATURES_MAX,
            found=len(lines),
        )
    return text + "\n", [_read_line(line) for line in lines]


def _read_line(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_PREFIX).partition(" ")
    if not line.startswith(_PREFIX) or not space:
        raise MalformedEvidence(_STEP, "a line is not a signature", field="signature", found=line)
    if not is_name(name):
        raise MalformedEvidence(_STEP, "a line has no key name", field="signature", found=line)
    with reading(_STEP):
        raw = b64decode(encoded, field="signature")
    if len(raw) <= KEY_ID_BYTES:
        raise MalformedEvidence(_STEP, "a signature is empty", field="signature", found=line)
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _by_name(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise MalformedKey(_STEP, "two keys share a name and id", field="key", found=key.label)
    return known


def _check(key: VerifierKey, text: str, line: Signature) -> Signature:
    """Verify one line by a key of a supported type; returns it, with its time if it has one."""
    message, signature, time = text.encode(), line.signature, None
    if key.kind == TYPE_COSIGNATURE:
        time = int.from_bytes(signature[:_TIME_BYTES], "big")
        signature = signature[_TIME_BYTES:]
        if time >= TIME_LIMIT:
            raise BadSignature(_STEP, "the time does not fit in 63 bits", field="time", found=time)
        message = f"cosignature/v1\ntime {time}\n".encode() + message
    verify(ED25519, public=key.public, signature=signature, message=message, step=_STEP)
    return Signature(line.name, line.key_id, line.signature, time)


def sign_note(text: str, *, name: str, public: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Sign a text with one Ed25519 key and open the result again before it is returned.

    Args:
        text: The text, ending in a newline.
        name: Key name.
        public: Raw Ed25519 key, 32 bytes.
        sign: Signs bytes with the private key, returning 64 bytes.

    Raises:
        MalformedKey: The name or the key cannot be used.
        MalformedEvidence: The text cannot be part of a note.
        BadSignature: What `sign` returned does not hold.

    """
    key = VerifierKey.create(name, kind=TYPE_ED25519, public=public)
    if not text.endswith("\n"):
        raise MalformedEvidence(_STEP, "the text does not end in a newline", field="text")
    signature = sign(text.encode())
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(
            _STEP,
            "the signer returned another length",
            field="signature",
            expected=SIGNATURE_BYTES,
            found=len(signature),
        )
    data = f"{text}\n{_PREFIX}{name} {b64encode(key.key_id + signature)}\n".encode()
    open_note(data, [key])
    return data
