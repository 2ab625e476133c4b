"""Signatures by registered keys: `ed25519` and `p256`, each with one accepted form.

The algorithm comes from a key's registration, never from a signature. Whether a key is a sound
point is checked once, where it is registered (`ledger.rules.curve`).

Specification: docs/spec.md, section on keys; RFC 8032, FIPS 186-5.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from ledger.proof.errors import BadSignature, MalformedEvidence, UnsupportedKey

ED25519 = "ed25519"
P256 = "p256"
SIGNATURE_BYTES = 64
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_CACHED_KEYS_MAX = 4096
_SCALAR_BYTES = 32


def verify(
    alg: str, *, public: bytes, signature: bytes, message: bytes, step: str = "signature"
) -> None:
    """Check one signature.

    Args:
        alg: `ed25519` or `p256`, from the key's registration.
        public: Raw key: 32 bytes, or for `p256` the 65-byte uncompressed point.
        signature: 64 bytes; for `p256` r then s, big-endian, s in the lower half.
        message: The signed bytes, whole.
        step: Name for the error.

    Raises:
        UnsupportedKey: The algorithm is none of the two.
        MalformedEvidence: `public` is no key of that algorithm.
        BadSignature: The signature has another form, or does not hold.

    """
    if alg not in {ED25519, P256}:
        raise UnsupportedKey(step, "the key's algorithm is not known", field="alg", found=alg)
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature(
            step,
            "the signature has another length",
            field="signature",
            expected=SIGNATURE_BYTES,
            found=len(signature),
        )
    try:
        if alg == ED25519:
            _ed25519(public).verify(signature, message)
        else:
            _p256(public).verify(_der(signature, step), message, ec.ECDSA(SHA256()))
    except ValueError:
        raise MalformedEvidence(
            step, f"the public key is no {alg} key", field="key", found=public
        ) from None
    except InvalidSignature:
        raise BadSignature(
            step, f"the {alg} signature does not hold", field="signature", found=signature
        ) from None


def _der(signature: bytes, step: str) -> bytes:
    r = int.from_bytes(signature[:_SCALAR_BYTES], "big")
    s = int.from_bytes(signature[_SCALAR_BYTES:], "big")
    if not (0 < r < P256_ORDER and 0 < s < P256_ORDER):
        raise BadSignature(step, "r or s is out of range", field="signature", found=signature)
    # (r, n - s) would verify too: a second spelling of the same signature.
    if s > P256_ORDER // 2:
        raise BadSignature(step, "s is not in the lower half", field="signature", found=signature)
    return utils.encode_dss_signature(r, s)


@lru_cache(maxsize=_CACHED_KEYS_MAX)
def _ed25519(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


@lru_cache(maxsize=_CACHED_KEYS_MAX)
def _p256(public: bytes) -> ec.EllipticCurvePublicKey:
    if len(public) != 1 + 2 * _SCALAR_BYTES:
        # The library takes compressed points too, a second spelling of the same key.
        raise ValueError(len(public))
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
