"""One bit of one stored value, flipped: in any column of any table."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.tamper.copies import Copy

# What orders each table, and says which entry a row is about where it says so.
ORDER = {
    "alembic_version": "version_num",
    "checkpoint": "size",
    "command": "index",
    "disclosure": "index",
    "entry": "index",
    "head": "id",
    "parcel": "order_id",
    "registered_key": "index",
    "request_nonce": "at",
    "tile": "number",
    "view_goods": "head_index",
    "view_history": "entry_index",
    "view_order": "head_index",
    "view_ownership": "from_index",
    "view_party": "head_index",
    "view_position": "view",
}
# One bit up here gives a number that no other row has.
_FREE_BIT = 1 << 20
_UNIQUE = {"entry_index", "from_index", "head_index", "index", "number", "seq", "size"}


def flip(copy: Copy, column: str) -> Any:
    """Flip one bit of `table.column` in the middle row that has a value; return its order value."""
    table, _, name = column.partition(".")
    key, value = _middle(copy, table, name)
    flipped = flipped_value(value, unique=name in _UNIQUE)
    copy.run(
        f'UPDATE {table} SET "{name}" = :flipped WHERE "{ORDER[table]}" = :key',
        flipped=flipped,
        key=key,
    )
    return key


def flipped_value(value: Any, *, unique: bool = False) -> Any:
    """Flip one bit in the middle of a value; text stays text."""
    if isinstance(value, int):
        return value ^ (_FREE_BIT if unique else 1)
    middle = len(value) // 2
    if isinstance(value, bytes):
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    return value[:middle] + chr(ord(value[middle]) ^ 1) + value[middle + 1 :]


def _middle(copy: Copy, table: str, name: str) -> tuple[Any, Any]:
    order = ORDER[table]
    rows = copy.rows(
        f'SELECT "{order}", "{name}" FROM {table} WHERE "{name}" IS NOT NULL ORDER BY "{order}"'
    )
    # A bit is flipped in one row alone: one index has the disclosures of several fields.
    seen = Counter(key for key, _ in rows)
    alone = [row for row in rows if seen[row[0]] == 1]
    return alone[len(alone) // 2]
