"""HPKE written apart, from RFC 9180 and primitives: X25519, HKDF-SHA256 and AES-256-GCM, base mode.

Nothing here is shared with what it judges but the three primitives.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM_ID, KDF_ID, AEAD_ID = 0x0020, 0x0001, 0x0002
KEY_BYTES, NONCE_BYTES, SECRET_BYTES = 32, 12, 32
_KEM_SUITE = b"KEM" + KEM_ID.to_bytes(2, "big")
_SUITE = b"HPKE" + b"".join(each.to_bytes(2, "big") for each in (KEM_ID, KDF_ID, AEAD_ID))


def _extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    made, last, counter = b"", b"", 1
    while len(made) < length:
        last = hmac.new(key, last + info + bytes([counter]), hashlib.sha256).digest()
        made, counter = made + last, counter + 1
    return made[:length]


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return _extract(salt, b"HPKE-v1" + suite + label + secret)


def _labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return _expand(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def _shared_secret(dh: bytes, enc: bytes, public: bytes) -> bytes:
    """DHKEM, section 4.1."""
    prk = _labeled_extract(_KEM_SUITE, b"", b"eae_prk", dh)
    return _labeled_expand(_KEM_SUITE, prk, b"shared_secret", enc + public, SECRET_BYTES)


def key_and_nonce(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    """KeySchedule in base mode, section 5.1."""
    psk_id = _labeled_extract(_SUITE, b"", b"psk_id_hash", b"")
    info_hash = _labeled_extract(_SUITE, b"", b"info_hash", info)
    context = b"\x00" + psk_id + info_hash
    secret = _labeled_extract(_SUITE, shared, b"secret", b"")
    return (
        _labeled_expand(_SUITE, secret, b"key", context, KEY_BYTES),
        _labeled_expand(_SUITE, secret, b"base_nonce", context, NONCE_BYTES),
    )


def seal(public: bytes, ephemeral: bytes, info: bytes, plain: bytes) -> bytes:
    """Encrypt with a given ephemeral private key; enc || ciphertext || tag."""
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    enc = own.public_key().public_bytes_raw()
    dh = own.exchange(X25519PublicKey.from_public_bytes(public))
    key, nonce = key_and_nonce(_shared_secret(dh, enc, public), info)
    return enc + AESGCM(key).encrypt(nonce, plain, b"")


def open_(private: bytes, info: bytes, sealed: bytes) -> bytes:
    own = X25519PrivateKey.from_private_bytes(private)
    enc, public = sealed[:32], own.public_key().public_bytes_raw()
    dh = own.exchange(X25519PublicKey.from_public_bytes(enc))
    key, nonce = key_and_nonce(_shared_secret(dh, enc, public), info)
    return AESGCM(key).decrypt(nonce, sealed[32:], b"")
