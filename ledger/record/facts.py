"""The sealed facts that one append transaction writes, and the rows that come back.

Vocabulary: `index` is the 0-based position in the log, `seq` the 0-based position in a stream,
`size` a count. Hashes are 32 raw bytes. A fact that is a row is a tuple in the order of its
table's columns, so that it is inserted as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class SealedEntry(NamedTuple):
    """One entry of the log, sealed: its bytes are final."""

    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    """0-based position in the log."""
    stream: str
    """Name of the stream that the entry belongs to."""
    seq: int
    """0-based position in the stream."""
    type: str
    """Entry type, for instance `item-transferred/1`; never a Python path."""
    leaf: bytes
    """Leaf hash, 32 bytes."""
    command: bytes
    """Digest of the entry's own or causing command, 32 bytes."""
    entry: bytes
    """The canonical bytes, at most 65,535."""


class CommandKey(NamedTuple):
    """The name under which a command was recorded, and where."""

    by: str
    """Party that signed the command."""
    id: str
    """Command id, unique for each `by`."""
    digest: bytes
    """Command digest, 32 bytes."""
    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    """Index of the command's own entry."""


class KeyRow(NamedTuple):
    """A public key registered in this log: once, by one party, for ever."""

    id: bytes
    """Key id, 32 bytes."""
    party: str
    """Party that registered it."""
    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    """Index of the entry that registered it."""


class Disclosure(NamedTuple):
    """One sealed field of one entry, encrypted for its subject (see `ledger.record.vault`)."""

    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    name: str
    subject: str
    box: bytes
    """12-byte nonce, then the AES-256-GCM ciphertext with its 16-byte tag."""


class ParcelRow(NamedTuple):
    """A parcel as it was delivered: what only the order's private key opens."""

    order_id: str
    line: int
    digest: bytes
    """32 bytes, as the command that delivered it says."""
    parcel: bytes
    """enc, ciphertext and tag (see `ledger.cards.parcels`)."""


class HeadRow(NamedTuple):
    """The one head row: what the next append builds on."""

    size: int
    """Number of entries in the log."""
    leaf: bytes | None
    """Leaf hash of the last entry; None while the log is empty."""
    epoch: int
    """Term of the writer; a new leader raises it and thereby fences off the old one."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one append transaction writes.

    `size`, `leaf` and `epoch` are those of the head on which the batch was decided.
    """

    size: int
    leaf: bytes | None
    epoch: int
    entries: tuple[SealedEntry, ...]
    commands: tuple[CommandKey, ...] = ()
    disclosures: tuple[Disclosure, ...] = ()
    keys: tuple[KeyRow, ...] = ()
    parcels: tuple[ParcelRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One published checkpoint, exact bytes."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Tile:
    """One full tile: 256 hashes, 8,192 bytes."""

    level: int
    number: int
    hashes: bytes
