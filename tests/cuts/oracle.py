"""What must hold of a ledger's database after a cut, checked without any code of the product.

It reads the file with Python's own `sqlite3` and hashes with `hashlib`; the rules are those of
docs/spec.md, written out once more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256
_CACHED = 100_000


class Damaged(Exception):
    """The database is broken, or what it holds is no valid ledger."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One command that somebody holds a receipt for."""

    by: str
    id: str
    index: int
    leaf: bytes


@dataclass(slots=True)
class Promises:
    """What was acknowledged and shown, in order, with the sizes at which a batch can end."""

    commands: Sequence[Acknowledged] = ()
    notes: Sequence[tuple[int, bytes]] = ()
    sizes: set[int] = field(default_factory=lambda: {0})
    marked: int = 0
    """Size of the largest tree that the signer's mark, kept elsewhere, speaks of."""


@dataclass(frozen=True, slots=True)
class Read:
    """One entry, read from its own bytes."""

    leaf: bytes
    index: int
    stream: str
    seq: int
    type: str
    prev: str | None
    command: bytes | None
    """Digest of the command that it carries; None in an effect."""
    key: tuple[str, str] | None
    """Party and id of that command."""


class Oracle:
    """Judges databases of one log."""

    def __init__(self, origin: str, *, checkpoint_key: bytes, receipt_key: bytes) -> None:
        self.origin = origin
        self._checkpoint_key = Ed25519PublicKey.from_public_bytes(checkpoint_key)
        self._receipt_key = Ed25519PublicKey.from_public_bytes(receipt_key)
        self._opened = lru_cache(_CACHED)(self._open_note)

    def losses(self, path: Path, promises: Promises) -> int:
        """Count the promises that the database does not keep.

        Raises:
            Damaged: It is broken, or holds no valid ledger.

        """
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            # One process and no shared memory: the log of SQLite is read anew, as after a cut.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA synchronous = OFF")
            return self._judge(connection, promises)
        except (sqlite3.Error, ValueError, KeyError) as error:
            raise Damaged(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def check_receipt(self, receipt: Mapping[str, Any]) -> None:
        """Check a receipt: its path leads to the root that the receipt key signed."""
        statement = receipt["statement"]
        message = b"yinzheng/receipt/v1\n" + _canonical(statement)
        self._receipt_key.verify(base64.b64decode(receipt["sig"]), message)
        node = bytes.fromhex(receipt["leaf"])
        position, last = receipt["index"] - statement["from"], statement["count"] - 1
        for sibling in map(bytes.fromhex, receipt["path"]):
            while not position & 1 and position == last and last:
                position, last = position >> 1, last >> 1
            node = _node(sibling, node) if position & 1 else _node(node, sibling)
            position, last = position >> 1, last >> 1
        assert node.hex() == statement["root"], receipt

    def _judge(self, connection: sqlite3.Connection, promises: Promises) -> int:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        _need(found == ["ok"], f"integrity_check: {found[:3]}")
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
        if "entry" not in tables:
            _need(not tables, f"half a schema: {sorted(tables)[:3]}")
            return len(promises.commands) + len(promises.notes)
        entries = self._check_entries(connection)
        leaves = tuple(entry.leaf for entry in entries)
        _need(len(leaves) in promises.sizes, f"half a batch: {len(leaves)} entries")
        commands = _check_commands(connection, entries)
        notes = self._check_published(connection, leaves)
        kept = sum(
            commands.get((each.by, each.id)) == each.index and leaves[each.index] == each.leaf
            for each in promises.commands
        )
        shown = sum(notes.get(size) == note for size, note in promises.notes)
        behind = len(leaves) < promises.marked
        return len(promises.commands) - kept + len(promises.notes) - shown + behind

    def _check_entries(self, connection: sqlite3.Connection) -> list[Read]:
        rows = connection.execute(
            'SELECT "index", stream, seq, type, leaf, command, entry FROM entry ORDER BY "index"'
        )
        entries: list[Read] = []
        heads: dict[str, Read] = {}
        cause: Read | None = None
        for position, (index, stream, seq, kind, leaf, command, raw) in enumerate(rows):
            read = _read(raw, self.origin)
            before = heads.get(stream)
            cause = read if read.command is not None else cause
            _need(cause is not None and command == cause.command, f"entry {index}: its command")
            _need(index == position == read.index, f"entry {index}: its index")
            _need((stream, kind) == (read.stream, read.type), f"entry {index}: stream or type")
            _need(seq == read.seq == (before.seq + 1 if before else 0), f"entry {index}: seq")
            _need(read.prev == (before.leaf.hex() if before else None), f"entry {index}: link")
            _need(leaf == read.leaf, f"entry {index}: leaf")
            heads[stream] = read
            entries.append(read)
        last = entries[-1].leaf if entries else None
        (head,) = connection.execute("SELECT id, size, leaf FROM head").fetchall()
        _need(head == (1, len(entries), last), f"head {head[:2]} of {len(entries)} entries")
        return entries

    def _check_published(
        self, connection: sqlite3.Connection, leaves: tuple[bytes, ...]
    ) -> dict[int, bytes]:
        rows = connection.execute("SELECT size, previous, note FROM checkpoint ORDER BY size")
        notes: dict[int, bytes] = {}
        before = -1
        for size, previous, note in rows:
            signed, top = self._opened(note)
            _need(previous == before and size == signed <= len(leaves), f"checkpoint {size}")
            _need(root(leaves[:size]) == top, f"root of {size}")
            notes[size] = note
            before = size
        tiles = connection.execute("SELECT level, number, hashes FROM tile").fetchall()
        for level, number, hashes in tiles:
            _need(hashes == _tile(leaves, level, number), f"tile {level}/{number}")
        full = max(before, 0) // TILE
        stored = {number for level, number, _ in tiles if level == 0}
        _need(stored >= set(range(full)), f"tiles of checkpoint {before}")
        return notes

    def _open_note(self, note: bytes) -> tuple[int, bytes]:
        text, _, signature = note.decode().partition("\n\n")
        origin, size, top = text.split("\n")
        raw = base64.b64decode(signature.split()[2])
        try:
            # 4 bytes of key id come before the signature.
            self._checkpoint_key.verify(raw[4:], f"{text}\n".encode())
        except InvalidSignature:
            raise Damaged(f"signature of checkpoint {size}") from None
        _need(origin == self.origin, f"origin of checkpoint {size}")
        return int(size), base64.b64decode(top)


def _check_commands(
    connection: sqlite3.Connection, entries: Iterable[Read]
) -> dict[tuple[str, str], int]:
    """Check that each command has exactly one row, as its entry says."""
    rows = connection.execute('SELECT "by", id, digest, "index" FROM command').fetchall()
    carried = {(*e.key, e.command, e.index) for e in entries if e.key is not None}
    _need(len(rows) == len(carried) and set(rows) == carried, "commands and entries differ")
    return {(by, name): index for by, name, _, index in rows}


@lru_cache(_CACHED)
def _read(raw: bytes, origin: str) -> Read:
    document = json.loads(raw)
    _need(_canonical(document) == raw, "an entry is not canonical")
    _need(document["log"] == origin, "an entry of another log")
    command = document.get("command")
    carried = None
    if command is not None:
        carried = hashlib.sha256(b"yinzheng/command/v1\n" + _canonical(command)).digest()
    return Read(
        leaf=hashlib.sha256(b"\x00" + raw).digest(),
        index=document["index"],
        stream=document["stream"],
        seq=document["seq"],
        type=document["type"],
        prev=document["prev"],
        command=carried,
        key=None if command is None else (command["by"], command["id"]),
    )


@lru_cache(10_000)
def root(leaves: tuple[bytes, ...]) -> bytes:
    """Compute the tree hash of RFC 6962, section 2.1, by its definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return _node(root(leaves[:middle]), root(leaves[middle:]))


def _tile(leaves: tuple[bytes, ...], level: int, number: int) -> bytes:
    width = TILE**level
    starts = range(number * TILE * width, (number + 1) * TILE * width, width)
    return b"".join(root(leaves[start : start + width]) for start in starts)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _need(condition: object, what: str) -> None:
    if not condition:
        raise Damaged(what)
