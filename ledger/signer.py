"""Signing: the port that everything which signs goes through, and private keys in files.

A key file is PKCS #8 PEM, mode 0600, written once and never printed. Specification: docs/spec.md
section 3.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from ledger.errors import KeyFileInvalid
from ledger.rules.digests import key_id
from ledger.rules.text import b64encode

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SCALAR_BYTES = 32
_PRIVATE_MODE = 0o600
_READABLE_BY_OTHERS = 0o077

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class Signer(Protocol):
    """Somebody's key: its algorithm, its raw public key, and a way to sign bytes."""

    @property
    def alg(self) -> str:
        """`ed25519` or `p256`."""

    @property
    def public(self) -> bytes:
        """The raw public key: 32 bytes, or 65 for p256."""

    @property
    def key_id(self) -> str:
        """The key's id in the log, hex."""

    def sign(self, message: bytes) -> bytes:
        """Sign; 64 bytes."""


class LocalSigner:
    """A private key in this process."""

    def __init__(self, private: PrivateKey) -> None:
        """Take an Ed25519 or P-256 private key."""
        self._private = private
        self.alg = "ed25519" if isinstance(private, ed25519.Ed25519PrivateKey) else "p256"
        self.public = _raw_public(private)
        self.key_id = key_id(self.alg, self.public)

    @classmethod
    def from_seed(cls, seed: bytes) -> LocalSigner:
        """Make an Ed25519 signer from 32 secret bytes."""
        return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def p256_from_scalar(cls, scalar: int) -> LocalSigner:
        """Make a P-256 signer from a secret number, 1 to order - 1."""
        return cls(ec.derive_private_key(scalar, ec.SECP256R1()))

    def key(self) -> dict[str, str]:
        """Write the public key as it stands in a command's body."""
        return {"alg": self.alg, "public": b64encode(self.public)}

    def sign(self, message: bytes) -> bytes:
        """Sign bytes: Ed25519, or ECDSA with SHA-256 as r||s with a low s; 64 bytes."""
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(message)
        # RFC 6979: the same message gives the same signature, and no bad dice give the key away.
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = utils.decode_dss_signature(self._private.sign(message, how))
        s = min(s, _P256_ORDER - s)
        return r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")

    def save(self, path: Path) -> None:
        """Write the private key to a new file of mode 0600.

        Raises:
            KeyFileInvalid: The file exists already; it is left as it is.

        """
        pem = self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            write_private(path, pem)
        except FileExistsError:
            raise KeyFileInvalid("the key file exists and was left alone", file=str(path)) from None


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that nobody else can read, durably but for its name.

    Raises:
        FileExistsError: There is one already; it is left as it is.

    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load_signer(path: Path) -> LocalSigner:
    """Read a private key file.

    Raises:
        KeyFileInvalid: Missing, readable by others, or not an Ed25519 or P-256 private key.

    """
    try:
        pem, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise KeyFileInvalid(
            f"cannot read the key file: {error.strerror}", file=str(path)
        ) from None
    if mode & _READABLE_BY_OTHERS:
        raise KeyFileInvalid("others can read the key file; chmod 600 it", file=str(path))
    try:
        private = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileInvalid("the file holds no private key", file=str(path)) from None
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
        return LocalSigner(private)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return LocalSigner(private)
    raise KeyFileInvalid("the key is neither ed25519 nor p256", file=str(path))


def _raw_public(private: PrivateKey) -> bytes:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.public_key().public_bytes_raw()
    return private.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
