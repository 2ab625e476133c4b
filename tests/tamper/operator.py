"""The evil operator: holds every key of the ledger and the whole database, and asks no rule.

What it publishes is hashed, linked, signed and stored as if the ledger had written it: only what it
means is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, update

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import sign_note
from ledger.proof.tiles import TILE_WIDTH, tiles_of
from ledger.proof.tree import MemoryTree
from ledger.record.tables import (
    CHECKPOINT,
    COMMAND,
    DISCLOSURE,
    ENTRY,
    HEAD,
    PARCEL,
    REGISTERED_KEY,
    TILE,
)
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import RuleError, UnknownKind
from ledger.rules.kinds import registered_key
from projections.tables import POSITION as VIEW_POSITION
from projections.tables import ROWS as VIEW_ROWS
from tests.js.exports import Forger
from tests.tamper.copies import Copy
from tests.tamper.market import Market


def forger(market: Market, *, keep: int | None = None) -> Forger:
    """Continue after the first `keep` entries, of all by default."""
    made = Forger(market.world, [], market.world.clock.now())
    made.entries = [entry.raw for entry in market.entries[:keep]]
    made.heads = {entry.stream: entry for entry in market.entries[:keep]}
    return made


def publish(copy: Copy, entries: Sequence[bytes], *, keep: int) -> bytes:
    """Store `entries` instead of what is there from index `keep` on, and sign a checkpoint.

    The views are emptied: they are behind, which is allowed. Returns the checkpoint.
    """
    world = copy.market.world
    tree = MemoryTree([leaf_hash(raw) for raw in entries])
    text = Checkpoint(world.origin, len(entries), tree.root()).text
    signer = world.key("checkpoint")
    note = sign_note(text, name=world.origin, public=signer.public, sign=signer.sign)
    with copy.begin() as connection:
        _cut(connection, keep)
        _forget_parcels(connection, copy.market.entries[keep:])
        kept = copy.market.entries[:keep]
        digests = {entry.leaf: entry.command.digest for entry in kept if entry.command}
        for index, raw in enumerate(entries[keep:], start=keep):
            _insert(connection, index, raw, digests)
        _store_tiles(connection, tree)
        last = leaf_hash(entries[-1])
        connection.execute(update(HEAD).values(size=len(entries), leaf=last))
        latest = connection.execute(select(func.max(CHECKPOINT.c.size))).scalar()
        values = {"size": len(entries), "previous": -1 if latest is None else latest, "note": note}
        connection.execute(CHECKPOINT.insert().values(**values))
    return note


def _cut(connection: Connection, keep: int) -> None:
    for table in (ENTRY, COMMAND, REGISTERED_KEY, DISCLOSURE):
        connection.execute(delete(table).where(table.c.index >= keep))
    connection.execute(delete(TILE))
    connection.execute(delete(CHECKPOINT).where(CHECKPOINT.c.size > keep))
    for table in VIEW_ROWS:
        connection.execute(delete(table))
    connection.execute(update(VIEW_POSITION).values(size=0))


def _forget_parcels(connection: Connection, gone: Sequence[Entry]) -> None:
    """Delete what was stored with deliveries that are in the log no more."""
    for entry in gone:
        if entry.type == "lines-delivered/1" and entry.command is not None:
            body = entry.command.body
            lines = [each["line"] for each in body["parcels"]]
            mine = (PARCEL.c.order_id == body["order"], PARCEL.c.line.in_(lines))
            connection.execute(delete(PARCEL).where(*mine))


def _insert(connection: Connection, index: int, raw: bytes, digests: dict[str, str]) -> None:
    leaf = leaf_hash(raw)
    try:
        entry = read_entry(raw)
    except RuleError:
        row = (index, f"none/{index}", 0, "none", leaf, bytes(32), raw)
        connection.execute(ENTRY.insert().values(row))
        return
    command = entry.command
    if command is not None:
        digests[entry.leaf] = command.digest
    digest = bytes.fromhex(digests.get(entry.leaf if command else entry.cause or "", "00" * 32))
    taken = select(ENTRY.c.index).where(ENTRY.c.stream == entry.stream, ENTRY.c.seq == entry.seq)
    # The table takes a place in a stream once; what stands beside the bytes is looked at last.
    free = connection.execute(taken).first() is None
    row = (index, entry.stream, entry.seq if free else index, entry.type, leaf, digest, raw)
    connection.execute(ENTRY.insert().values(row))
    if command is not None:
        used = select(COMMAND.c.id).where(COMMAND.c.by == command.by, COMMAND.c.id == command.id)
        if connection.execute(used).first() is None:
            connection.execute(COMMAND.insert().values((command.by, command.id, digest, index)))
        for sealed in command.document["sealed"]:
            box = (index, sealed["name"], sealed["subject"], bytes(40))
            connection.execute(DISCLOSURE.insert().values(box))
    try:
        registered = registered_key(entry)
    except UnknownKind:
        return
    if registered is not None:
        key = bytes.fromhex(registered[0])
        used = select(REGISTERED_KEY.c.id).where(REGISTERED_KEY.c.id == key)
        if connection.execute(used).first() is None:
            connection.execute(REGISTERED_KEY.insert().values((key, registered[1], index)))


def _store_tiles(connection: Connection, tree: MemoryTree) -> None:
    for tile in tiles_of(len(tree)):
        if tile.width == TILE_WIDTH:
            level, start = tile.level or 0, tile.number * TILE_WIDTH
            hashes = b"".join(tree.node(8 * level, start + at) for at in range(TILE_WIDTH))
            connection.execute(TILE.insert().values((level, tile.number, hashes)))
