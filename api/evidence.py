"""What a buyer can show of a card that was sold, to whoever is given it and to nobody else.

Evidence is one file: the item's proof, which ends in a checkpoint of the log, and either the parcel
as it was delivered with the private key of its order, or, of a card that was revealed, what opens
its commitment. The proof says which parcel was delivered to which key, and which card its merchant
had committed to; the rest says what that is. Nobody but the buyer can make it, and not even the
buyer can make one of another card. Specification: docs/spec.md section 7.2.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger.cards.commitments import Opening, check_opening, read_opening, write_opening
from ledger.cards.parcels import PARCEL_BYTES_MAX, Address, open_parcel, parcel_digest
from ledger.errors import CommitmentDiffers, ParcelRefused
from ledger.proof.bundle import proven_entries
from ledger.proof.tlogproof import PROOF_BYTES_MAX
from ledger.proof.vkey import VerifierKey
from ledger.registry import CARD, TYPE
from ledger.rules import schema
from ledger.rules.canonical import decode, encode
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed
from ledger.rules.items import item_stream
from ledger.rules.orders import LINES_MAX, order_stream
from ledger.rules.text import b64decode
from ledger.signer import write_private

DELIVERED, ANOTHER, UNREADABLE = "delivered", "another-card", "unreadable"
REVEALED: Final = "revealed"
EVIDENCE_BYTES_MAX: Final = 2 * (PROOF_BYTES_MAX + PARCEL_BYTES_MAX)
_KEY_BYTES: Final = 32
_EVIDENCE: Final[schema.Schema] = {
    "key": schema.nullable(schema.base64),
    "line": schema.whole(1, LINES_MAX),
    "opening": schema.nullable(schema.any_string),
    "order": schema.uuid7,
    "parcel": schema.nullable(schema.base64),
    "proof": schema.base64,
    "schema": schema.whole(1, 1),
}


class Parcel(NamedTuple):
    """What was delivered, and the private key of its order."""

    key: bytes
    sealed: bytes


class Evidence(NamedTuple):
    """What a buyer shows of a line: the item's proof, and its parcel or what was revealed."""

    order: str
    line: int
    proof: bytes
    shown: Parcel | Opening


class Delivery(NamedTuple):
    """What a proof says of a delivery.

    Attributes:
        address: Where a parcel of this line belongs.
        key: The order's public key, base64; None where it brought none.
        digest: Of the parcel, hex; None where it was delivered without.
        by: Who delivered it.
        entry: Index of the entry that says so.

    """

    address: Address
    key: str | None
    digest: str | None
    by: str
    entry: int


class Finding(NamedTuple):
    """What evidence shows.

    Attributes:
        verdict: `delivered` or `revealed`: the card that its merchant had committed to. Of a
            parcel also `another-card`, or `unreadable`: nothing that is a card.
        delivery: What the log says.
        opening: The card and what opens its commitment, where it is the one committed to.

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
        ParcelRefused: It says nothing of a delivery of this line.

    """
    return _delivery(proven_entries(proof, vkey), VerifierKey.parse(vkey).name, order, line)


def _delivery(entries: list[Entry], origin: str, order: str, line: int) -> Delivery:
    placed = next(_own(entries, order_stream(order), "order-placed/1"), None)
    lines: list[dict[str, Any]] = [] if placed is None else placed[1].body["lines"]
    if placed is None or line > len(lines):
        raise _refused(order, line, "the proof is not of this order")
    address = _address(entries, origin, lines[line - 1]["item"], order, line)
    for entry, command in _own(entries, order_stream(order), "lines-delivered/1"):
        for each in command.body["parcels"]:
            if each["line"] == line:
                key, digest = placed[1].body["key"], each["parcel"]
                return Delivery(address, key, digest, command.by, entry.index)
    raise _refused(order, line, "the proof has no delivery of it")


def _address(entries: list[Entry], origin: str, item: str, order: str, line: int) -> Address:
    for _, registration in _own(entries, item_stream(item), TYPE):
        card = registration.body
        return Address(origin, order, line, item, card["product"], card["card"])
    raise _refused(order, line, "the proof is of no card")


def promised_in(proof: bytes, vkey: str, *, item: str, order: str, line: int) -> Address:
    """Verify a proof that begins with the registration of a card, and read what was promised.

    Args:
        proof: Of the item at that entry or any later one.
        vkey: The log's verifier key, as the caller trusts it.
        item: The item that was bought, `NS/ID`.
        order: Id of the order.
        line: Its line, from 1.

    Raises:
        VerificationError: The proof does not hold, or is not of this log.
        ParcelRefused: It is of no card.

    """
    origin = VerifierKey.parse(vkey).name
    return _address(proven_entries(proof, vkey), origin, item, order, line)


def check_delivered(delivery: Delivery, parcel: Parcel) -> None:
    """Hold a parcel and an order's private key against what the log names, unopened.

    Raises:
        ParcelRefused: It is another parcel, or another order's key: it shows nothing.

    """
    order, line = delivery.address.order, delivery.address.line
    if delivery.digest is None or delivery.key is None:
        raise _refused(order, line, "the line was delivered without a parcel")
    if parcel_digest(parcel.sealed) != delivery.digest:
        raise _refused(order, line, "it is not the parcel that was delivered")
    own = X25519PrivateKey.from_private_bytes(parcel.key).public_key()
    if own.public_bytes_raw() != b64decode(delivery.key, field="key"):
        raise _refused(order, line, "the key is not that of the order")


def examine(evidence: Evidence, vkey: str) -> Finding:
    """Look what was delivered, or revealed.

    Raises:
        VerificationError: The proof does not hold, or is not of this log.
        ParcelRefused: What is shown is not what the log names: this shows nothing.
        CommitmentDiffers: A card is shown that nobody committed to: this shows nothing either.

    """
    order, line = evidence.order, evidence.line
    entries = proven_entries(evidence.proof, vkey)
    delivery = _delivery(entries, VerifierKey.parse(vkey).name, order, line)
    if isinstance(evidence.shown, Parcel):
        return _examine_parcel(delivery, evidence.shown)
    address = delivery.address
    revealed = _own(entries, item_stream(address.item), "card-revealed/1")
    if not any(command.body["order"] == order for _, command in revealed):
        raise _refused(order, line, "the proof does not say that it was revealed")
    check_opening(address.card, address.commitment, evidence.shown)
    return Finding(REVEALED, delivery, evidence.shown)


def _examine_parcel(delivery: Delivery, parcel: Parcel) -> Finding:
    check_delivered(delivery, parcel)
    try:
        opening = open_parcel(delivery.address, parcel.sealed, private=parcel.key)
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
    shown = evidence.shown
    parcel = shown if isinstance(shown, Parcel) else None
    document = {
        "key": None if parcel is None else b64encode(parcel.key).decode(),
        "line": evidence.line,
        "opening": None if isinstance(shown, Parcel) else write_opening(CARD, shown),
        "order": evidence.order,
        "parcel": None if parcel is None else b64encode(parcel.sealed).decode(),
        "proof": b64encode(evidence.proof).decode(),
        "schema": 1,
    }
    write_private(file, encode(document))


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
    proof = b64decode(document["proof"], field="evidence.proof")
    return Evidence(document["order"], document["line"], proof, _shown(document))


def _shown(document: dict[str, Any]) -> Parcel | Opening:
    key, sealed, opening = (document[name] for name in ("key", "parcel", "opening"))
    if opening is not None and key is None and sealed is None:
        return read_opening(CARD, opening)
    if opening is not None or key is None or sealed is None:
        raise Malformed("evidence", "holds either a parcel with its key or an opening")
    return Parcel(
        b64decode(key, field="evidence.key", size=_KEY_BYTES),
        b64decode(sealed, field="evidence.parcel"),
    )


def _own(entries: list[Entry], stream: str, type_: str) -> Iterator[tuple[Entry, Command]]:
    """Yield the own entries of a type in a stream, and their commands."""
    for entry in entries:
        if (entry.stream, entry.type) == (stream, type_) and entry.command is not None:
            yield entry, entry.command


def _refused(order: str, line: int, reason: str) -> ParcelRefused:
    return ParcelRefused(f"the parcel is refused: {reason}", order=order, line=line, reason=reason)
