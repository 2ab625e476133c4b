"""What a parcel proves: which card was delivered, to whoever is shown it and to nobody else.

Evidence is one file: the item's proof, which ends in a checkpoint of the log, the parcel as it was
delivered, and the private key of its order. The proof says which parcel was delivered to which key,
and which card its merchant had committed to; key and parcel say what is in it. Nobody but the buyer
can make it, and not even the buyer can make one of another card. Specification: docs/spec.md
section 7.2.
"""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.config import PRIVATE_FILE
from ledger.cards.commitments import Opening
from ledger.cards.parcels import PARCEL_BYTES_MAX, Address, open_parcel, parcel_digest
from ledger.errors import CommitmentDiffers, ParcelRefused
from ledger.proof.bundle import proven_entries
from ledger.proof.tlogproof import PROOF_BYTES_MAX
from ledger.proof.vkey import VerifierKey
from ledger.registry import TYPE
from ledger.rules import schema
from ledger.rules.canonical import decode, encode
from ledger.rules.entries import Entry
from ledger.rules.items import item_stream
from ledger.rules.orders import LINES_MAX, order_stream
from ledger.rules.text import b64decode

DELIVERED, ANOTHER, UNREADABLE = "delivered", "another-card", "unreadable"
EVIDENCE_BYTES_MAX: Final = 2 * (PROOF_BYTES_MAX + PARCEL_BYTES_MAX)
_KEY_BYTES: Final = 32
_EVIDENCE: Final[schema.Schema] = {
    "key": schema.base64,
    "line": schema.whole(1, LINES_MAX),
    "order": schema.uuid7,
    "parcel": schema.base64,
    "proof": schema.base64,
    "schema": schema.whole(1, 1),
}


class Evidence(NamedTuple):
    """What a buyer shows: `key` is the order's private key, `proof` that of the item."""

    order: str
    line: int
    key: bytes
    parcel: bytes
    proof: bytes


class Delivery(NamedTuple):
    """What a proof says of a delivery.

    Attributes:
        address: Where the parcel belongs.
        key: The order's public key, base64.
        digest: Of the parcel, hex.
        by: Who delivered it.
        entry: Index of the entry that says so.

    """

    address: Address
    key: str
    digest: str
    by: str
    entry: int


class Finding(NamedTuple):
    """What evidence shows.

    Attributes:
        verdict: `delivered`: the card that its merchant had committed to. `another-card`: another
            one. `unreadable`: nothing that is a card.
        delivery: What the log says.
        opening: The card and what opens its commitment; None unless `delivered`.

    """

    verdict: str
    delivery: Delivery
    opening: Opening | None


def delivery_in(proof: bytes, vkey: str, *, order: str, line: int) -> Delivery:
    """Verify the proof of an item, and read from it how it was delivered.

    Args:
        proof: The file.
        vkey: The log's verifier key, as the caller trusts it.
        order: Id of the order that bought the item.
        line: Its line, from 1.

    Raises:
        VerificationError: The proof does not hold, or is not of this log.
        ParcelRefused: It says nothing of a parcel for this line.

    """
    entries = proven_entries(proof, vkey)
    placed = _body(entries, order_stream(order), "order-placed/1")
    lines: list[dict[str, Any]] = [] if placed is None else placed[1]["lines"]
    if placed is None or line > len(lines):
        raise _refused(order, line, "the proof is not of this order")
    item = lines[line - 1]["item"]
    registered = _body(entries, item_stream(item), TYPE)
    for entry in entries:
        if (entry.stream, entry.type) != (order_stream(order), "lines-delivered/1"):
            continue
        command = entry.command
        for each in [] if command is None else command.body["parcels"]:
            if each["line"] == line and each["parcel"] and registered and command is not None:
                card = registered[1]
                origin = VerifierKey.parse(vkey).name
                address = Address(origin, order, line, item, card["product"], card["card"])
                key = placed[1]["key"]
                return Delivery(address, key, each["parcel"], command.by, entry.index)
    raise _refused(order, line, "the proof has no parcel for it")


def examine(evidence: Evidence, vkey: str) -> Finding:
    """Look what was delivered.

    Raises:
        VerificationError: The proof does not hold, or is not of this log.
        ParcelRefused: Parcel or key are not those that the log names: this shows nothing.

    """
    order, line = evidence.order, evidence.line
    delivery = delivery_in(evidence.proof, vkey, order=order, line=line)
    if parcel_digest(evidence.parcel) != delivery.digest:
        raise _refused(order, line, "it is not the parcel that was delivered")
    own = X25519PrivateKey.from_private_bytes(evidence.key).public_key()
    if own.public_bytes_raw() != b64decode(delivery.key, field="key"):
        raise _refused(order, line, "the key is not that of the order")
    try:
        opening = open_parcel(delivery.address, evidence.parcel, private=evidence.key)
    except CommitmentDiffers:
        return Finding(ANOTHER, delivery, None)
    except ParcelRefused:
        # With the very key and parcel that the log names: whoever delivered it sent nothing.
        return Finding(UNREADABLE, delivery, None)
    return Finding(DELIVERED, delivery, opening)


def write_evidence(file: Path, evidence: Evidence) -> None:
    """Write evidence into a new file of mode 0600.

    Raises:
        OSError: There is such a file already, or it cannot be written.

    """
    document = {
        "key": b64encode(evidence.key).decode(),
        "line": evidence.line,
        "order": evidence.order,
        "parcel": b64encode(evidence.parcel).decode(),
        "proof": b64encode(evidence.proof).decode(),
        "schema": 1,
    }
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(handle, "wb") as opened:
        opened.write(encode(document))


def read_evidence(file: Path) -> Evidence:
    """Read evidence.

    Raises:
        Malformed: It is none.
        OSError: The file cannot be read.

    """
    with file.open("rb") as opened:
        raw = opened.read(EVIDENCE_BYTES_MAX + 1)
    document = decode(raw, limit=EVIDENCE_BYTES_MAX, field="evidence")
    schema.check_object(document, _EVIDENCE, "evidence")
    key = b64decode(document["key"], field="evidence.key", size=_KEY_BYTES)
    parcel, proof = (
        b64decode(document[name], field=f"evidence.{name}") for name in ("parcel", "proof")
    )
    return Evidence(document["order"], document["line"], key, parcel, proof)


def _body(entries: list[Entry], stream: str, type_: str) -> tuple[Entry, dict[str, Any]] | None:
    """Find the own entry of a type in a stream, and what its command says."""
    for entry in entries:
        if (entry.stream, entry.type) == (stream, type_) and entry.command is not None:
            return entry, entry.command.body
    return None


def _refused(order: str, line: int, reason: str) -> ParcelRefused:
    return ParcelRefused(f"the parcel is refused: {reason}", order=order, line=line, reason=reason)
