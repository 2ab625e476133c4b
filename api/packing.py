"""Packing: the platform encrypts a card that lies with it to the key of its order.

The card is taken out of the vault and held against the commitment that its merchant signed. What
comes out opens with the order's private key alone, which the platform never had. Specification:
docs/spec.md section 7.2.
"""

from __future__ import annotations

from base64 import b64decode

from api.house import House
from api.revealing import read_card
from ledger.cards.parcels import Address, seal_parcel
from ledger.errors import CommitmentDiffers
from ledger.record.errors import BoxRefused, EntryDamaged, KeyDamaged
from ledger.record.stored import read_stored
from ledger.rules.errors import Malformed, WeakKey
from ledger.rules.items import item_stream

_NEVER = (BoxRefused, KeyDamaged, EntryDamaged, CommitmentDiffers, WeakKey, Malformed)


class NotPacked(Exception):
    """The card of a line cannot be delivered, however often it is tried.

    Attributes:
        reason: `lost`, `erased`, or the code of what was found.

    """

    def __init__(self, reason: str) -> None:
        """Say why."""
        super().__init__(f"the card cannot be delivered: {reason}")
        self.reason = reason


def pack(house: House, order: str, line: int, item: str, *, to: str) -> bytes:
    """Make the parcel of a line; blocks.

    Args:
        house: The ledger.
        order: Id of the order.
        line: Its line, from 1.
        item: The card that was bought.
        to: The order's public X25519 key, base64.

    Raises:
        NotPacked: The card is lost, erased or damaged, or is not what was committed to.
        DatabaseUnavailable: It cannot be read now.
        HardwareKeyUnavailable: Likewise.

    """
    try:
        (stored,) = house.recorder.stream_entries(item_stream(item), limit=1)
        card = read_card(house, item, read_stored(stored))
        if card.opening is None:
            raise NotPacked(card.state)
        address = Address(house.origin, order, line, item, card.product, card.commitment)
        return seal_parcel(address, card.opening, to=b64decode(to))
    except _NEVER as error:
        raise NotPacked(getattr(error, "code", type(error).__name__)) from error
