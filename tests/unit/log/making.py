"""Logs for tests of the log room: long ones of meaningless entries, and ways to damage storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Table, select, update
from sqlalchemy.sql.elements import ColumnElement

from ledger.record.database import reading, writing
from ledger.record.inserting import insert_rows
from ledger.record.recorder import LedgerRecorder
from ledger.record.tables import ENTRY, HEAD
from ledger.rules.canonical import encode
from ledger.rules.entries import read_entry
from tests.unit.proof.oracle import slow_leaf, slow_root
from tests.worlds import World


def entry_bytes(index: int) -> bytes:
    return b"entry %d" % index


def fill_quickly(recorder: LedgerRecorder, size: int) -> list[bytes]:
    """Make the log `size` meaningless entries long, past all checks; returns all leaves."""
    start = recorder.head().size
    leaves = [slow_leaf(entry_bytes(index)) for index in range(size)]
    rows = [
        (index, "log", index, "none/1", leaves[index], bytes(32), entry_bytes(index))
        for index in range(start, size)
    ]
    with writing(recorder.engine) as connection:
        insert_rows(connection, ENTRY, rows)
        connection.execute(update(HEAD).values(size=size, leaf=leaves[-1]))
    return leaves


def pretend_published(recorder: LedgerRecorder, size: int) -> None:
    """Let the log look published up to `size`; the note is no note."""
    latest = recorder.latest_checkpoint()
    recorder.put_checkpoint(size, b"note %d" % size, latest.size if latest else None)


def slow_hash(leaves: list[bytes], level: int, item: int) -> bytes:
    """Hash number `item` of a level of tiles, by the definition of C2SP tlog-tiles."""
    span = 256**level
    return slow_root(leaves[item * span : (item + 1) * span])


def slow_tile(leaves: list[bytes], level: int, number: int, width: int) -> bytes:
    items = range(number * 256, number * 256 + width)
    return b"".join(slow_hash(leaves, level, item) for item in items)


def slow_bundle(number: int, width: int) -> bytes:
    entries = [entry_bytes(index) for index in range(number * 256, number * 256 + width)]
    return b"".join(bytes([len(data) // 256, len(data) % 256]) + data for data in entries)


def unguard(engine: Engine) -> None:
    """Drop the triggers of a SQLite ledger: the disk does not ask them either."""
    with writing(engine) as connection:
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).scalars()
        for name in list(names):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")


def damage(engine: Engine, table: Table, where: ColumnElement[bool], **values: Any) -> None:
    """Overwrite columns of one row."""
    unguard(engine)
    with writing(engine) as connection:
        changed = connection.execute(update(table).where(where).values(**values))
        assert changed.rowcount == 1


def stored(engine: Engine, column: ColumnElement[Any], where: ColumnElement[bool]) -> Any:
    with reading(engine) as connection:
        return connection.execute(select(column).where(where)).scalar_one()


def flip(value: bytes, bit: int = 0) -> bytes:
    """Flip one bit."""
    at, place = divmod(bit, 8)
    return value[:at] + bytes([value[at] ^ (1 << place)]) + value[at + 1 :]


def rewrite_last(world: World, changes: Mapping[str, Any], command: bytes | None = None) -> int:
    """Change fields of the last entry so that leaf, columns and head agree; returns its index.

    That is a change before the entry was hashed: only what was signed can show it.
    """
    index = world.size() - 1
    row = world.recorder.entry_at(index)
    assert row is not None
    raw = encode(read_entry(row.entry).document | dict(changes))
    leaf = slow_leaf(raw)
    values: dict[str, Any] = {"entry": raw, "leaf": leaf}
    values |= {"command": command} if command else {}
    values |= {name: changes[name] for name in ("stream", "seq", "type") if name in changes}
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == index, **values)
    damage(world.recorder.engine, HEAD, HEAD.c.id == 1, leaf=leaf)
    return index
