"""Opening the vault's boxes, to check that they hold what was sealed.

Needs the vault's key files, which only the operator holds. A box whose key is not there is counted
as closed, never as wrong. Specification: docs/spec.md section 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.proof.errors import Tampered
from ledger.rules.digests import sealed_digest

_DOMAIN = b"yinzheng/vault/v1\n"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_LENGTH_BYTES = 8
# A key that only a hardware module opens.
_WRAPPED, _WRAPPED_BYTES = b"w1", 62


class VaultReader:
    """Checks boxes against the sealed digests in the log."""

    def __init__(self, keys: Path, unwrap: Callable[[bytes, str], bytes] | None = None) -> None:
        """Take the folder of the vault's keys, and what unwraps a key of a name if they need it.

        `unwrap` raises `ValueError` for what is no wrapped key of that name.
        """
        self._keys, self._unwrap = keys, unwrap
        self.opened = 0
        self.closed = 0

    def check(  # noqa: PLR0913 - one argument for each thing that a box is bound to
        self,
        *,
        log: str,
        command: str,
        index: int,
        name: str,
        subject: str,
        box: bytes,
        digest: str,
    ) -> None:
        """Open one box and compare.

        Args:
            log: Origin of the log.
            command: Id of the command that sealed the field.
            index: Index of the command's entry.
            name: Name of the field.
            subject: The party it is about.
            box: Nonce, ciphertext and tag.
            digest: The sealed digest in the command, hex.

        Raises:
            Tampered: The box does not open, or holds another value.

        """
        key = self._key(hashlib.sha256(subject.encode()).hexdigest(), index)
        if key is None:
            self.closed += 1
            return
        parts = (part.encode() for part in (log, str(index), name, subject))
        bound = _DOMAIN + b"".join(len(part).to_bytes(_LENGTH_BYTES) + part for part in parts)
        try:
            held = AESGCM(key[:_KEY_BYTES]).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise _wrong(index, "a box does not open") from None
        salt, _, value = held.decode("utf-8", "replace").partition("\n")
        if sealed_digest(log, command, name, salt, value) != digest:
            raise _wrong(index, "a box holds another value")
        self.opened += 1

    def _key(self, name: str, index: int) -> bytes | None:
        """Read a subject's key; None when it was erased or is not for this reader."""
        try:
            key = (self._keys / name).read_bytes()
        except OSError:
            return None
        if self._unwrap is None:
            wrapped = len(key) == _WRAPPED_BYTES and key.startswith(_WRAPPED)
            return None if wrapped else key
        try:
            return self._unwrap(key, name)
        except ValueError:
            raise _wrong(index, "a key of the vault does not open") from None


def _wrong(index: int, message: str) -> Tampered:
    return Tampered("vault", message, index=index, field="disclosure.box")
