"""Auditing a ledger's database: the entries are the truth, every other column is derived.

The entries are replayed from their bytes; then every other stored column is compared with what
they say: entry columns, command ids, registered keys, head, checkpoints, tiles, vault rows,
parcels, views.
Only plain SQL that both databases understand is used, and only for reading.

Specification: docs/spec.md section 15.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from ledger.proof.errors import Tampered, Unverifiable, VerificationError
from ledger.proof.hashing import HASH_SIZE
from ledger.proof.parcels import PARCELS, Parcels
from ledger.proof.sources import check_tile
from ledger.proof.tables import Rows, compare, differs
from ledger.proof.tiles import Tile, tiles_of
from ledger.proof.tree import MemoryTree
from ledger.proof.vault import VaultReader
from ledger.rules.entries import Entry
from ledger.rules.kinds import registered_key
from ledger.rules.state import Stream
from ledger.rules.views import POSITION, TABLES, VIEW, Views

SCHEMA = "0007"
TILE_HASHES = 256
# Tables that hold one row need not be read to their end to see that they hold more.
_FEW = 16
_PLAIN = frozenset({bytes, int, str, type(None)})
# No value of a ledger comes near it; a schema can compute larger ones from nothing.
_VALUE_BYTES_MAX = 1 << 25
_COMPUTED = """
    SELECT name FROM pragma_table_list WHERE schema = 'main' AND type != 'table'
    UNION ALL
    SELECT list.name FROM pragma_table_list AS list, pragma_table_xinfo(list.name) AS field
    WHERE list.schema = 'main' AND list.type = 'table' AND field.hidden != 0
    LIMIT 1
"""

Query = Callable[[str], Iterable[tuple[Any, ...]]]


class DatabaseSource:
    """A ledger read from its tables through a function that runs one SELECT."""

    def __init__(self, query: Query, *, vault: VaultReader | None = None) -> None:
        """Take a reader of rows, and the vault's keys where they are at hand.

        Raises:
            Unverifiable: The schema is not the one that this version knows.

        """
        self._query = query
        self._vault = vault
        self.lost = 0
        self.lost_parcels = 0
        self._parcels = Parcels()
        self._row: tuple[Any, ...] = ()
        self._first: VerificationError | None = None
        self._commands: list[tuple[Any, ...]] = []
        self._keys: list[tuple[Any, ...]] = []
        self._sealed: list[tuple[int, str, str, str, str, str]] = []
        self._views = Views()
        self._last: Entry | None = None
        self._check_schema()
        positions: dict[str, Any] = dict(islice(self._rows(POSITION.select), _FEW))
        viewed = positions.get(VIEW, 0)
        # What is no number shows in the comparison; here it must not stop the replay.
        self._viewed = viewed if isinstance(viewed, int) else 0

    def checkpoint(self) -> bytes:
        """Return the latest stored checkpoint. Raises `Unverifiable` where there is none."""
        for (note,) in self._rows("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"):
            return _note(note)
        raise Unverifiable("checkpoint", "no checkpoint was published", field="checkpoint")

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """Yield every stored checkpoint, and check that each names the one before."""
        before = -1
        for size, previous, note in self._rows(
            "SELECT size, previous, note FROM checkpoint ORDER BY size"
        ):
            if previous != before:
                self._differs("checkpoint.previous", None, expected=before, found=previous)
            before = size
            yield size, _note(note)

    def entries(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the entries that are present, published or not."""
        for row in self._rows(
            'SELECT "index", stream, seq, type, leaf, command, entry FROM entry ORDER BY "index"'
        ):
            self._row = row
            if not isinstance(row[6], bytes):
                raise Tampered("parse", "the entry is not bytes", index=row[0], field="entry")
            yield row[0], row[6]

    def references(self, size: int) -> Iterator[list[bytes]]:
        """Yield the leaf hashes of the entry table, then those of the tiles with its rest."""
        leaves = self._hashes('SELECT "index", leaf FROM entry ORDER BY "index"')
        stored = self._hashes("SELECT number, hashes FROM tile WHERE level = 0 ORDER BY number")
        if size > len(leaves) + TILE_HASHES * len(stored):
            # A checkpoint may claim any size; what is not there is not made room for.
            return
        rows = [leaves.get(index, b"") for index in range(size)]
        yield rows
        for number, hashes in stored.items():
            start = number * TILE_HASHES
            for index in range(start, min(start + TILE_HASHES, size)):
                at = (index - start) * HASH_SIZE
                rows[index] = hashes[at : at + HASH_SIZE]
        yield rows

    def _hashes(self, sql: str) -> dict[int, bytes]:
        """Read hashes under their numbers, as far as they are such and ascend."""
        found: dict[int, bytes] = {}
        last = -1
        for number, hashes in self._rows(sql):
            # A damaged index can give one row again and again, without end.
            if not isinstance(number, int) or number <= last:
                break
            last = number
            if isinstance(hashes, bytes):
                found[number] = hashes
        return found

    def observe(
        self, entry: Entry, before: Stream | None, after: Stream, cause: Entry | None
    ) -> None:
        """Compare the columns beside a replayed entry, and remember what follows from it."""
        command = (entry if cause is None else cause).command
        assert command is not None  # noqa: S101 - an own entry and a cause carry a command
        expected = (
            entry.index,
            entry.stream,
            entry.seq,
            entry.type,
            bytes.fromhex(entry.leaf),
            bytes.fromhex(command.digest),
        )
        names = ("index", "stream", "seq", "type", "leaf", "command")
        for name, wanted, found in zip(names, expected, self._row, strict=False):
            if wanted != found:
                self._differs(f"entry.{name}", entry, expected=wanted, found=found)
        if entry.command is not None:
            digest = bytes.fromhex(command.digest)
            self._commands.append((command.by, command.id, digest, entry.index))
            self._sealed += [
                (
                    entry.index,
                    sealed["name"],
                    sealed["subject"],
                    sealed["digest"],
                    command.log,
                    command.id,
                )
                for sealed in command.document["sealed"]
            ]
        self._parcels.observe(entry)
        registered = registered_key(entry)
        if registered is not None:
            self._keys.append((bytes.fromhex(registered[0]), registered[1], entry.index))
        if entry.index < self._viewed:
            self._views.add(entry, before=before, after=after, cause=cause)
        self._last = entry

    def check_derived(self, tree: MemoryTree, size: int) -> None:
        """Compare every derived table with what was replayed.

        Raises:
            Tampered: The first row that differs, in the order of the tables here.

        """
        if self._first is not None:
            raise self._first
        compare(
            "command",
            ("by", "id", "digest", "index"),
            sorted(self._commands, key=lambda row: int(row[3])),
            self._rows('SELECT "by", id, digest, "index" FROM command ORDER BY "index"'),
            index_at=3,
        )
        compare(
            "registered_key",
            ("id", "party", "index"),
            self._keys,
            self._rows('SELECT id, party, "index" FROM registered_key ORDER BY "index"'),
            index_at=2,
        )
        last = bytes.fromhex(self._last.leaf) if self._last else None
        head = self._rows("SELECT id, size, leaf FROM head ORDER BY id")
        compare("head", ("id", "size", "leaf"), [(1, len(tree), last)], head, index_at=None)
        self._check_tiles(tree, size)
        self._check_vault()
        self.lost_parcels = self._parcels.check(self._rows(PARCELS))
        self._check_views(len(tree))

    def _check_tiles(self, tree: MemoryTree, size: int) -> None:
        wanted = [(tile.level, tile.number) for tile in tiles_of(size) if tile.width == TILE_HASHES]
        stored = self._rows("SELECT level, number, hashes FROM tile ORDER BY level, number")
        rows = list(islice(stored, len(wanted) + 1))
        places = [(level, number) for level, number, _ in rows]
        compare("tile", ("level", "number"), wanted, iter(places), index_at=None)
        for level, number, hashes in rows:
            if not isinstance(hashes, bytes):
                raise differs("tile.hashes", None, expected="bytes", found=hashes)
            check_tile(Tile(level, number), hashes, tree)

    def _check_vault(self) -> None:
        stored = self._rows(
            'SELECT "index", name, subject, box FROM disclosure ORDER BY "index", name'
        )
        rows = list(islice(stored, len(self._sealed) + 1))
        compare(
            "disclosure",
            ("index", "name", "subject"),
            [each[:3] for each in self._sealed],
            [row[:3] for row in rows],
            index_at=0,
        )
        # An empty box says that the value is lost: a log that was healed from a copy has none.
        self.lost = sum(row[3] == b"" for row in rows)
        if self._vault is not None:
            for (index, name, subject, digest, log, identifier), row in zip(
                self._sealed, rows, strict=True
            ):
                if row[3] == b"":
                    continue
                if not isinstance(row[3], bytes):
                    raise differs("disclosure.box", None, expected="bytes", found=row[3])
                self._vault.check(
                    log=log,
                    command=identifier,
                    index=index,
                    name=name,
                    subject=subject,
                    box=row[3],
                    digest=digest,
                )

    def _check_views(self, present: int) -> None:
        positions = list(self._rows(POSITION.select))
        known = positions == [(VIEW, self._viewed)] and 0 <= self._viewed <= present
        if positions and not known:
            raise differs("view_position.size", None, expected=present, found=str(positions))
        tables = self._views.tables()
        for table in TABLES:
            order = table.columns.index(table.order)
            compare(
                table.name,
                table.columns,
                tables[table.name],
                self._rows(table.select),
                index_at=order,
            )

    def _check_schema(self) -> None:
        versions = self._rows("SELECT version_num FROM alembic_version")
        found = [row[0] for row in islice(versions, _FEW)]
        if found != [SCHEMA]:
            raise Unverifiable(
                "schema",
                "the database has another schema",
                field="alembic_version",
                expected=SCHEMA,
                found=", ".join(map(str, found)),
            )

    def _rows(self, sql: str) -> Rows:
        for row in self._query(sql):
            # Nearly every row is plain as it stands.
            yield row if _PLAIN.issuperset(map(type, row)) else tuple(map(_plain, row))

    def _differs(self, field: str, entry: Entry | None, *, expected: Any, found: Any) -> None:
        """Remember the first derived difference; contradictions in the entries come before it."""
        if self._first is None:
            self._first = differs(field, entry, expected=expected, found=found)


def _plain(value: Any) -> Any:
    """Leave text, whole numbers, bytes and None; of anything else only how it looks."""
    if isinstance(value, memoryview):
        return bytes(value)
    return value if value is None or isinstance(value, str | int | bytes) else str(value)


def _note(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise Tampered("checkpoint", "the checkpoint is not bytes", field="checkpoint.note")
    return value


@contextmanager
def sqlite_snapshot(path: Path) -> Iterator[Query]:
    """Open a SQLite ledger for reading only, as it is at the first question.

    One transaction for all of them: a ledger can be audited while it is being written.

    Raises:
        Unverifiable: There is no such file, it is no database, or it computes its rows.

    """
    if not path.is_file():
        raise Unverifiable("database", f"there is no ledger at {path}", field="file")
    try:
        link = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise _unreadable(error) from None

    def query(sql: str) -> Iterator[tuple[Any, ...]]:
        try:
            if not link.in_transaction:
                link.execute("BEGIN")
            yield from link.execute(sql)
        except sqlite3.Error as error:
            raise _unreadable(error) from None

    with closing(link):
        # A damaged text is still compared; it must not stop the reading.
        link.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        link.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_BYTES_MAX)
        for (name,) in query(_COMPUTED):
            # A view or a computed column can make rows and values without end out of nothing.
            raise Unverifiable("database", "it computes its rows", field="schema", found=name)
        yield query


def _unreadable(error: sqlite3.Error) -> Unverifiable:
    return Unverifiable("database", f"SQLite says: {error}", field="file")
