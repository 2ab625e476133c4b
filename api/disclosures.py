"""Opening sealed fields of an entry for somebody who may read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from api.access import Caller, Reach, access, may_read
from api.errors import EntryNotFound, NotAuthorised
from api.house import House
from ledger.record.errors import BoxRefused, EntryDamaged, KeyMissing
from ledger.record.stored import read_stored
from ledger.rules.digests import sealed_digest

OPEN, ERASED, LOST = "open", "erased", "lost"
# An arbitrator needs the grounds of a freeze, and no secret of anybody's goods.
ACCESS = access(anonymous="none", party="own", arbitrator=["reason"])


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A sealed field: what the entry says of it, and what opens it.

    `state`: `open`; `erased` when its key is not in the vault; `lost` when the storage lost its
    box. Salt and value are None unless it is open.
    """

    name: str
    subject: str
    digest: str
    state: str
    salt: str | None = None
    value: str | None = None

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return asdict(self)


def open_fields(
    house: House, index: int, caller: Caller, row: Mapping[str, Reach]
) -> list[Disclosed]:
    """Open those sealed fields of an entry that somebody may read; blocks.

    Args:
        house: The ledger.
        index: Of the entry.
        caller: Who asks.
        row: Of the matrix: what the caller's roles reach.

    Raises:
        EntryNotFound: The log has no such entry, as everybody can see.
        NotAuthorised: There is nothing in it for whoever asks, sealed or not.
        BoxRefused: A box does not open, or holds another value than was sealed.
        KeyDamaged: A key of the vault is not one.
        EntryDamaged: The entry was changed, or the row of a box is missing.

    """
    stored = house.reader.entry(index)
    if stored is None:
        raise EntryNotFound("the log has no entry at this index", index=index)
    command = read_stored(stored).command
    sealed = [] if command is None else command.document["sealed"]
    readable = [
        each for each in sealed if may_read(row, caller, subject=each["subject"], name=each["name"])
    ]
    if command is None or not readable:
        raise NotAuthorised("nothing in this entry is for the signer to read", index=index)
    boxes = {box.name: box.box for box in house.recorder.disclosures(index)}
    return [
        open_field(house, index, command.id, each, boxes.get(each["name"])) for each in readable
    ]


def open_field(
    house: House, index: int, command_id: str, sealed: dict[str, str], box: bytes | None
) -> Disclosed:
    """Open one sealed field of an entry, whoever asks.

    Args:
        house: The ledger.
        index: Of the entry.
        command_id: Of its command.
        sealed: The field, as the command names it.
        box: What the storage holds of it; empty where it was lost.

    Raises:
        BoxRefused: It does not open, or holds another value than was sealed.
        KeyDamaged: A key of the vault is not one.
        EntryDamaged: The row of the box is missing.

    """
    name, subject, digest = sealed["name"], sealed["subject"], sealed["digest"]
    if box is None:
        raise EntryDamaged(f"entry {index}", f"the box of {name} is not there")
    if box == b"":
        return Disclosed(name, subject, digest, LOST)
    try:
        held = house.vault.open(subject, index=index, name=name, box=box)
    except KeyMissing:
        return Disclosed(name, subject, digest, ERASED)
    salt, _, value = held.decode("utf-8", "replace").partition("\n")
    if sealed_digest(house.origin, command_id, name, salt, value) != digest:
        # It opened, and is not what the signers sealed: never shown as if it were.
        raise BoxRefused(index=index, name=name)
    return Disclosed(name, subject, digest, OPEN, salt, value)
