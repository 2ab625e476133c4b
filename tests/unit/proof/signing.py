"""Fixed Ed25519 and P-256 keys for tests; their signatures need not be secret."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.proof.keys import P256_ORDER
from ledger.proof.vkey import TYPE_COSIGNATURE, TYPE_ED25519, VerifierKey
from ledger.rules.text import b64encode

LOG_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_PUBLIC = LOG_KEY.public_key().public_bytes_raw()
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
WITNESS_PUBLIC = WITNESS_KEY.public_key().public_bytes_raw()

LOG = VerifierKey.create("ledger.example/log", kind=TYPE_ED25519, public=LOG_PUBLIC)
WITNESS = VerifierKey.create("witness.example", kind=TYPE_COSIGNATURE, public=WITNESS_PUBLIC)

P256_KEY = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
P256_PUBLIC = P256_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def p256_scalars(message: bytes) -> tuple[int, int]:
    """Sign with the P-256 key; s is in the lower half."""
    der = P256_KEY.sign(message, ec.ECDSA(SHA256()))
    r, s = utils.decode_dss_signature(der)
    return r, min(s, P256_ORDER - s)


def p256_sign(message: bytes) -> bytes:
    return raw_scalars(*p256_scalars(message))


def raw_scalars(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def line(key: VerifierKey, payload: bytes) -> str:
    """One signature line, right or wrong."""
    return f"\u2014 {key.name} {b64encode(key.key_id + payload)}\n"


def log_line(text: str) -> str:
    """The log's own signature under a text."""
    return line(LOG, LOG_KEY.sign(text.encode()))


def cosignature_line(text: str, *, time: int) -> str:
    """A witness's cosignature under a text (c2sp.org/tlog-cosignature)."""
    signature = WITNESS_KEY.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return line(WITNESS, time.to_bytes(8, "big") + signature)
