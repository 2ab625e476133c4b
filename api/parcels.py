"""What a buyer, or an arbitrator that was given an order's key, does with a delivered parcel.

It is opened with the private key of its order and held against the commitment in the log, which
was signed before the card was sold. Whoever does both knows which key was delivered; nobody else
learns it. Specification: docs/spec.md section 7.2.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledger.cards.commitments import Opening
from ledger.cards.parcels import PARCEL_BYTES_MAX, Address, open_parcel
from ledger.errors import KeyFileInvalid
from ledger.log.reader import LogReader
from ledger.registry import TYPE
from ledger.rules.entries import read_entry
from ledger.rules.errors import Malformed, UnknownItem
from ledger.rules.items import item_stream
from ledger.rules.text import b64decode, check_item, check_uuid7

_OTHERS: Final = 0o077
_KEY_BYTES: Final = 32
_FILE_MAX: Final = 4096


def address_of(reader: LogReader, origin: str, *, item: str, order: str, line: int) -> Address:
    """Read from the log what a parcel of an order's line is bound to.

    Raises:
        UnknownItem: The log has no card of this name.
        Malformed: Item or order is none.

    """
    stream = item_stream(check_item(item, field="item"))
    check_uuid7(order, field="order")
    for stored in reader.stream_entries(stream):
        entry = read_entry(stored.entry)
        if entry.type == TYPE and entry.command is not None:
            body = entry.command.body
            return Address(origin, order, line, item, body["product"], body["card"])
    raise UnknownItem(f"{item} is no card of this log", item=item)


def read_order_key(file: Path) -> bytes:
    """Read the private X25519 key of an order: PKCS #8 PEM, or base64 of 32 bytes; mode 0600.

    Raises:
        KeyFileInvalid: It is not there, others can read it, or it is no such key.

    """
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            held = opened.read(_FILE_MAX)
    except OSError as error:
        raise KeyFileInvalid(f"cannot read the key: {error.strerror}", file=str(file)) from None
    if mode & _OTHERS:
        raise KeyFileInvalid("others can read the key; chmod 600 it", file=str(file))
    try:
        if held.startswith(b"-----BEGIN"):
            key = load_pem_private_key(held, password=None)
            if isinstance(key, X25519PrivateKey):
                return key.private_bytes_raw()
        else:
            return b64decode(held.decode("ascii").strip(), field="key", size=_KEY_BYTES)
    except (ValueError, TypeError, Malformed):
        # Not chained: what it says may quote the file.
        pass
    raise KeyFileInvalid("the file holds no private X25519 key", file=str(file))


def open_delivered(address: Address, parcel: Path, *, key: Path) -> Opening:
    """Open the file of a parcel, and hold what is in it against the commitment.

    Raises:
        ParcelRefused: It does not open with this key at this place, or holds no card.
        CommitmentDiffers: It holds another card than the merchant committed to.
        KeyFileInvalid: The key cannot be read.
        OSError: The parcel cannot be read.

    """
    private = read_order_key(key)
    with parcel.open("rb") as file:
        return open_parcel(address, file.read(PARCEL_BYTES_MAX + 1), private=private)
