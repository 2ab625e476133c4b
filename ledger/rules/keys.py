"""Public keys in documents: checked once, strictly, when they are registered.

The signature library accepts keys with which anyone can sign, so a key is checked here first.
Specification: docs/spec.md section 3.1.
"""

from __future__ import annotations

from typing import Any

from ledger.rules.curve import check_ed25519, check_p256
from ledger.rules.digests import key_id
from ledger.rules.state import Key
from ledger.rules.text import b64decode

_ED25519_BYTES = 32
_P256_BYTES = 65


def check_key(key: dict[str, Any], *, field: str) -> bytes:
    """Accept a key object `{alg, public}` whose point is canonical and of full order.

    Returns:
        The raw public key.

    Raises:
        Malformed: The base64 or its length is wrong.
        WeakKey: The point is not one that a key generator makes.

    """
    if key["alg"] == "ed25519":
        raw = b64decode(key["public"], field=f"{field}.public", size=_ED25519_BYTES)
        check_ed25519(raw)
    else:
        raw = b64decode(key["public"], field=f"{field}.public", size=_P256_BYTES)
        check_p256(raw)
    return raw


def new_key(key: dict[str, Any], *, index: int, ready: int) -> Key:
    """Make the state of a key registered at `index`, ready for risky acts at `ready` (us)."""
    raw = b64decode(key["public"], field="key.public")
    return Key(key_id(key["alg"], raw), key["alg"], key["public"], index, ready)
