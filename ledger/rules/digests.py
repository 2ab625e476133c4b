"""Domain-separated SHA-256: every digest says what it is a digest of.

Digests are lower-case hex, as they stand in documents. Specification: docs/spec.md section 3.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ledger.rules.canonical import encode

COMMAND_TAG = b"yinzheng/command/v1\n"
RECEIPT_TAG = b"yinzheng/receipt/v1\n"
_KEY_TAG = b"yinzheng/key/v1\n"
_SALE_TAG = b"yinzheng/sale/v1\n"
_SEALED_TAG = b"yinzheng/sealed/v1\n"
_TIMER_TAG = b"yinzheng/timer/v1\n"
_POLICY_TAG = b"yinzheng/policy/v1\n"
_TERMS_TAG = b"yinzheng/trade-policy/v1\n"
_LISTING_TAG = b"yinzheng/listing/v1\n"
_LEAF_TAG = b"\x00"


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def leaf(entry: bytes) -> str:
    """Leaf hash of an entry's bytes: the Merkle leaf and the link (RFC 6962 section 2.1)."""
    return hashlib.sha256(_LEAF_TAG + entry).hexdigest()


def key_id(alg: str, raw: bytes) -> str:
    """Id of a public key: its algorithm and raw bytes (section 3.1)."""
    return _sha256(_KEY_TAG, alg.encode("ascii"), b"\x00", raw)


def command_digest(command: bytes) -> str:
    """Identity of a command: its signed bytes, without signatures (section 5.1)."""
    return hashlib.sha256(COMMAND_TAG + command).hexdigest()


def policy_digest(document: dict[str, Any]) -> str:
    """Digest of a whole policy document (section 6)."""
    return _sha256(_POLICY_TAG, encode(document))


def terms_digest(document: dict[str, Any]) -> str:
    """Digest of a whole trade policy document (section 9.8)."""
    return _sha256(_TERMS_TAG, encode(document))


def listing_digest(snapshot: dict[str, Any]) -> str:
    """Digest of a whole listing, as one edit of it stands in a command (section 9.9)."""
    return _sha256(_LISTING_TAG, encode(snapshot))


def timer_id(stream: str, rule: str, due: str) -> str:
    """Command id of a timer: one for a stream, a rule and a due time (section 5)."""
    return _sha256(_TIMER_TAG, encode([stream, rule, due]))


def sealed_digest(log: str, command_id: str, name: str, salt: str, value: str) -> str:
    """Digest of a sealed field; `salt` is base64 of 32 random bytes (section 7)."""
    return _sha256(_SEALED_TAG, encode([log, command_id, name, salt, value]))


def sale_identity(namespace: str, row: dict[str, Any], *, tx: str | None, ordinal: int) -> str:
    """Identity of an imported sale (section 8).

    Args:
        namespace: The namespace the sale is imported into.
        row: `item`, `from`, `to` (mapped ids or null), `price` (money or null), `time`.
        tx: The source's own transaction name, or null.
        ordinal: From 0 among identical rows of the file.

    """
    parts = [row["item"], row["from"], row["to"], row["price"], row["time"]]
    return _sha256(_SALE_TAG, encode([namespace, tx, *parts, ordinal]))
