"""Domain-separated SHA-256 for tree leaves and nodes (RFC 6962 section 2.1)."""

from __future__ import annotations

import hashlib

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"

# A leaf and a node never share a pre-image: that is what stops second-preimage forgeries.
assert _LEAF_PREFIX != _NODE_PREFIX  # noqa: S101


def leaf_hash(entry: bytes) -> bytes:
    """Hash one log entry, exactly as stored; returns 32 bytes (RFC 6962 section 2.1)."""
    return hashlib.sha256(_LEAF_PREFIX + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two 32-byte children into their 32-byte parent (RFC 6962 section 2.1)."""
    return hashlib.sha256(_NODE_PREFIX + left + right).digest()
