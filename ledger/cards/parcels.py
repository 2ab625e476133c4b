"""Parcels: a card key encrypted to the key of one line of one order (HPKE, RFC 9180).

Base mode with X25519, HKDF-SHA256 and AES-256-GCM. Log, order, line, item and commitment are
`info`, so that a parcel opens at no other place. It is enc (32 bytes) || ciphertext || tag (16),
and only its digest stands in the log. Decision: docs/adr/0034. Specification: docs/spec.md
section 7.2.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from ledger.cards.commitments import Opening, Place, check_opening, read_opening, write_opening
from ledger.errors import ParcelRefused
from ledger.rules.canonical import encode
from ledger.rules.errors import Malformed, WeakKey

_TAG: Final = b"yinzheng/parcel/v1\n"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
PARCEL_BYTES_MAX: Final = 32 * 1024


class Address(NamedTuple):
    """Where a parcel belongs.

    Attributes:
        log: Origin of the log.
        order: Id of the order.
        line: Its line, from 1.
        item: The item that was bought.
        product: Name of the product that the key is for.
        commitment: To the card key, as the item's registration has it, hex.

    """

    log: str
    order: str
    line: int
    item: str
    product: str
    commitment: str

    @property
    def card(self) -> Place:
        """What the commitment belongs to."""
        return Place("card", self.item, self.product)

    def info(self) -> bytes:
        """Write what a parcel is bound to."""
        return _TAG + encode([self.log, self.order, self.line, self.item, self.commitment])


def seal_parcel(address: Address, opening: Opening, *, to: bytes) -> bytes:
    """Encrypt a card key to an order's key; the ephemeral key is the library's own.

    Args:
        address: Where it belongs.
        opening: Key and blinding, which are held against the commitment first.
        to: The order's raw X25519 public key, 32 bytes.

    Raises:
        CommitmentDiffers: This is not the key that was committed to: nothing is encrypted.
        WeakKey: Nothing can be encrypted to this public key.

    """
    check_opening(address.card, address.commitment, opening)
    plain = write_opening("card", opening).encode("utf-8")
    try:
        return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(to), info=address.info())
    except (ValueError, InvalidTag) as error:
        raise WeakKey("nothing can be encrypted to this X25519 key", key=to.hex()) from error


def open_parcel(address: Address, parcel: bytes, *, private: bytes) -> Opening:
    """Decrypt a parcel, and hold what is in it against the commitment.

    Args:
        address: Where it was delivered.
        parcel: What `seal_parcel` returned.
        private: The order's raw X25519 private key, 32 bytes.

    Raises:
        ParcelRefused: It was changed, or is for another place or key, or holds no card.
        CommitmentDiffers: It holds another key than was promised.

    """
    if len(parcel) > PARCEL_BYTES_MAX:
        raise _refused(address, "it is too long")
    try:
        key = X25519PrivateKey.from_private_bytes(private)
        plain = _SUITE.decrypt(parcel, key, info=address.info())
    except (ValueError, InvalidTag) as error:
        raise _refused(address, "it does not open with this key at this place") from error
    try:
        opening = read_opening("card", plain.decode("utf-8"))
    except (UnicodeDecodeError, Malformed):
        raise _refused(address, "it holds no card") from None
    check_opening(address.card, address.commitment, opening)
    return opening


def parcel_digest(parcel: bytes) -> str:
    """Compute the digest of a parcel as it stands in the log, hex."""
    return hashlib.sha256(_TAG + parcel).hexdigest()


def _refused(address: Address, reason: str) -> ParcelRefused:
    return ParcelRefused(
        f"the parcel is refused: {reason}", order=address.order, line=address.line, reason=reason
    )
