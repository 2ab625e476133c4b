"""Verifier keys of signed notes: `<name>+<key id>+<base64 of type and key>`.

The key id in the text is recomputed and must agree: some libraries ignore it, and a published
test key carries a wrong one.

Specification: c2sp.org/signed-note (types, key ids), c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ledger.proof.errors import MalformedKey, UnsupportedKey
from ledger.rules.curve import check_ed25519
from ledger.rules.errors import Malformed, WeakKey
from ledger.rules.text import b64decode, b64encode

KEY_ID_BYTES = 4
TYPE_ED25519 = 0x01
TYPE_COSIGNATURE = 0x04
TYPE_ML_DSA_44 = 0x06

_STEP = "key"
_VKEY_LENGTH_MAX = 4096
_PARTS = 3
_PUBLIC_BYTES = {TYPE_ED25519: 32, TYPE_COSIGNATURE: 32, TYPE_ML_DSA_44: 1312}
_NOT_IN_NAME = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True)
class VerifierKey:
    """A public key under a name. Made by `create` or `parse`, which check it.

    Attributes:
        name: Key name: no space, no "+".
        key_id: First 4 bytes of SHA-256(name || newline || type || key).
        kind: Signature type: 0x01 Ed25519, 0x04 cosignature, 0x06 ML-DSA-44.
        public: Raw key, 32 bytes (1,312 for ML-DSA-44).

    """

    name: str
    key_id: bytes
    kind: int
    public: bytes

    @property
    def supported(self) -> bool:
        """Whether signatures by this key can be checked here."""
        return self.kind != TYPE_ML_DSA_44

    @property
    def label(self) -> str:
        """Name and key id, for error messages."""
        return f"{self.name}+{self.key_id.hex()}"

    @classmethod
    def create(cls, name: str, *, kind: int, public: bytes) -> VerifierKey:
        """Check a name and a raw key and compute the key id.

        Raises:
            UnsupportedKey: The type is none of the three.
            MalformedKey: The name is not allowed, or the key has another length or is weak.

        """
        if not is_name(name):
            raise MalformedKey(_STEP, "the name is empty or has a space or plus", field="name")
        if kind not in _PUBLIC_BYTES:
            raise UnsupportedKey(
                _STEP, f"keys of type 0x{kind:02x} are not known", field="type", found=kind
            )
        if len(public) != _PUBLIC_BYTES[kind]:
            raise MalformedKey(
                _STEP,
                "the key has another length",
                field="key",
                expected=_PUBLIC_BYTES[kind],
                found=len(public),
            )
        if kind != TYPE_ML_DSA_44:
            try:
                check_ed25519(public)
            except WeakKey as error:
                raise MalformedKey(_STEP, error.message, field="key", found=public) from None
        return cls(name, _key_id(name, kind, public), kind, public)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a verifier key, as the caller was given it.

        Raises:
            UnsupportedKey: The type is not known.
            MalformedKey: Not a verifier key, a wrong key id, or a weak key.

        """
        # Only the first two "+" divide: base64 has a "+" of its own.
        parts = text.split("+", _PARTS - 1) if len(text) <= _VKEY_LENGTH_MAX else []
        if len(parts) != _PARTS:
            raise MalformedKey(_STEP, "not <name>+<key id>+<base64>", field="vkey")
        try:
            raw = b64decode(parts[2], field="vkey")
        except Malformed as error:
            raise MalformedKey(_STEP, f"{error.field} {error.message}", field=error.field) from None
        if not raw:
            raise MalformedKey(_STEP, "the key is empty", field="vkey")
        key = cls.create(parts[0], kind=raw[0], public=raw[1:])
        if parts[1] != key.key_id.hex():
            raise MalformedKey(
                _STEP,
                "the key id is not the key's",
                field="key_id",
                expected=key.key_id,
                found=parts[1],
            )
        return key

    def format(self) -> str:
        """Write the key as `parse` reads it."""
        return format_vkey(self.name, kind=self.kind, public=self.public)


def format_vkey(name: str, *, kind: int = TYPE_ED25519, public: bytes) -> str:
    """Write a verifier key. Raises `MalformedKey` and `UnsupportedKey` as `create` does."""
    key = VerifierKey.create(name, kind=kind, public=public)
    return f"{key.label}+{b64encode(bytes([kind]) + public)}"


def is_name(name: str) -> bool:
    """Say whether a key name is allowed: not empty, no Unicode space, control or plus."""
    return name != "" and _NOT_IN_NAME.search(name) is None


def _key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_BYTES]
