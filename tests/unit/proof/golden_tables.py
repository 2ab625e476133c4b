"""The golden log as the tables of a database, and the questions that an audit asks of them.

The rows are written from the words of docs/spec.md; the questions word for word, since both kinds
of database must understand them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import repeat
from typing import Any

import pytest

from ledger.proof.database import DatabaseSource
from ledger.proof.errors import VerificationError
from ledger.proof.known import Known
from ledger.proof.replay import Replay
from ledger.rules.digests import key_id
from ledger.rules.entries import Entry
from ledger.rules.state import Stream
from ledger.rules.text import b64decode
from ledger.rules.views import Views
from tests.unit.proof.golden_log import ORIGIN, SIZE, files, plain, raw_entries, seen

Row = tuple[Any, ...]
Step = tuple[Entry, Stream | None, Stream, Entry | None]

SCHEMA = "SELECT version_num FROM alembic_version"
POSITION = "SELECT view, size FROM view_position ORDER BY view"
LATEST = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"
CHECKPOINTS = "SELECT size, previous, note FROM checkpoint ORDER BY size"
ENTRIES = 'SELECT "index", stream, seq, type, leaf, command, entry FROM entry ORDER BY "index"'
LEAVES = 'SELECT "index", leaf FROM entry ORDER BY "index"'
LEVEL_0 = "SELECT number, hashes FROM tile WHERE level = 0 ORDER BY number"
COMMANDS = 'SELECT "by", id, digest, "index" FROM command ORDER BY "index"'
KEYS = 'SELECT id, party, "index" FROM registered_key ORDER BY "index"'
HEAD = "SELECT id, size, leaf FROM head ORDER BY id"
TILES = "SELECT level, number, hashes FROM tile ORDER BY level, number"
PARCELS = "SELECT order_id, line, digest, bytes FROM parcel ORDER BY order_id, line"
BOXES = 'SELECT "index", name, subject, box FROM disclosure ORDER BY "index", name'
HISTORY = (
    "SELECT item, entry_index, seq, at, type, kind, command, from_party, to_party, amount, "
    "currency, source_time, source_file, source_row, word, signers, reason, ground, item_class "
    "FROM view_history ORDER BY entry_index"
)
OWNERSHIP = (
    "SELECT item, owner, frozen, from_index, to_index, from_at, source_time "
    "FROM view_ownership ORDER BY from_index"
)
PARTIES = (
    "SELECT party, party_class, attested, founder, keys, roles, change_due, change_digest, "
    "head_index FROM view_party ORDER BY head_index"
)
ORDERS = (
    "SELECT order_id, buyer, state, total, currency, lines, next_rule, next_due, head_index "
    "FROM view_order ORDER BY head_index"
)
GOODS = (
    "SELECT item, owner, item_class, product, agent, order_id, frozen, head_index "
    "FROM view_goods ORDER BY head_index"
)


class Tables(dict[str, list[Row]]):
    """Rows by question; a question that was not foreseen is a KeyError."""

    def query(self, sql: str) -> Iterable[Row]:
        return self[sql]


@lru_cache(maxsize=1)
def replayed() -> tuple[Replay, tuple[Step, ...]]:
    """The golden log replayed once, and what was seen of each entry."""
    steps: list[Step] = []
    replay = Replay(Known(), log=ORIGIN, complete=True, observe=lambda *step: steps.append(step))
    for index, raw in enumerate(raw_entries()):
        replay.take(raw, index=index)
    return replay, tuple(steps)


def view_rows(size: int) -> dict[str, list[Row]]:
    """What the views show of the first `size` entries, by question."""
    views = Views()
    for entry, before, after, cause in replayed()[1][:size]:
        views.add(entry, before=before, after=after, cause=cause)
    held = views.tables()
    return {
        HISTORY: held["view_history"],
        OWNERSHIP: held["view_ownership"],
        PARTIES: held["view_party"],
        ORDERS: held["view_order"],
        GOODS: held["view_goods"],
    }


def empty(size: int = 0, leaf: bytes | None = None) -> Tables:
    """The tables of a ledger in which nothing is derived from any entry."""
    asked = (
        POSITION, LATEST, CHECKPOINTS, ENTRIES, LEAVES, LEVEL_0, COMMANDS, KEYS, TILES, BOXES,
        PARCELS, HISTORY, OWNERSHIP, PARTIES, ORDERS, GOODS,
    )  # fmt: skip
    return Tables({SCHEMA: [("0007",)], HEAD: [(1, size, leaf)]}, **{each: [] for each in asked})


def golden() -> Tables:
    """The tables of the golden log, with boxes that nobody opens."""
    raws, held = raw_entries(), files()
    leaves = [hashlib.sha256(b"\x00" + raw).digest() for raw in raws]
    tables = empty(SIZE, leaves[-1])
    tables[POSITION] = [("provenance", SIZE)]
    tables[LATEST] = [(held["checkpoint"],)]
    tables[CHECKPOINTS] = [(31, -1, held["checkpoints/31"]), (57, 31, held["checkpoints/57"])]
    tables[LEAVES] = list(enumerate(leaves))
    digests: dict[str, bytes] = {}
    for index, raw in enumerate(raws):
        _add(tables, digests, index, raw, leaves[index])
    tables.update(view_rows(SIZE))
    return tables


def _add(tables: Tables, digests: dict[str, bytes], index: int, raw: bytes, leaf: bytes) -> None:
    entry = json.loads(raw)
    command = entry.get("command")
    if command is None:
        digest = digests[entry["cause"]]
    else:
        digest = hashlib.sha256(b"yinzheng/command/v1\n" + plain(command)).digest()
        digests[leaf.hex()] = digest
        tables[COMMANDS].append((command["by"], command["id"], digest, index))
        for sealed in command["sealed"]:
            box = f"box {index}".encode()
            tables[BOXES].append((index, sealed["name"], sealed["subject"], box))
    place = (index, entry["stream"], entry["seq"], entry["type"])
    tables[ENTRIES].append((*place, leaf, digest, raw))
    key = _key(entry)
    if key is not None:
        registered = bytes.fromhex(key_id(key["alg"], b64decode(key["public"], field="key")))
        tables[KEYS].append((registered, entry["stream"].removeprefix("party/"), index))


def _key(entry: dict[str, Any]) -> dict[str, str] | None:
    """The key that an entry registers: of a founder, or in the body of its own command."""
    command = entry.get("command")
    found = (command["body"] if command else entry["data"]).get("key")
    return found if isinstance(found, dict) else None


def error_of(act: Callable[[], Any]) -> tuple[object, ...]:
    with pytest.raises(VerificationError) as raised:
        act()
    return seen(raised.value)


def check(tables: Tables, vault: Any = None) -> None:
    """Show a source every entry as a replay does, then let it compare its tables."""
    replay, steps = replayed()
    source = DatabaseSource(tables.query, vault=vault)
    rows = tables[ENTRIES] and source.entries(57)
    for _, step in zip(rows, steps, strict=False):
        source.observe(*step)
    source.check_derived(replay.view.tree, 57)


def fault(tables: Tables, vault: Any = None) -> tuple[object, ...]:
    return error_of(lambda: check(tables, vault))


def stored(field: str, expected: object, found: object, index: int | None = None) -> Any:
    return (
        "Tampered", "stored", "a stored value differs", index, None, field, expected, found,
    )  # fmt: skip


def put(row: tuple[Any, ...], at: int, value: object) -> tuple[Any, ...]:
    return (*row[:at], value, *row[at + 1 :])


def without_end(rows: Iterable[Row], row: Row, *, most: int) -> Iterator[Row]:
    """Give rows, then one row again and again; who reads more than `most` of these fails."""
    yield from rows
    yield from repeat(row, most)
    pytest.fail("rows without end were read on and on")
