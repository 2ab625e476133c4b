"""Comparing stored rows with recomputed ones: the first that differs is named.

Specification: docs/spec.md section 15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from ledger.proof.errors import Tampered
from ledger.rules.entries import Entry

STEP = "stored"

Rows = Iterator[tuple[Any, ...]]
_Row = tuple[Any, ...]


def compare(
    table: str,
    columns: Sequence[str],
    expected: Iterable[tuple[Any, ...]],
    stored: Iterable[tuple[Any, ...]],
    *,
    index_at: int | None,
) -> None:
    """Compare two sequences of rows.

    Args:
        table: Name for the evidence.
        columns: Names of the columns, in the order of the rows.
        expected: What the entries say.
        stored: What the table holds, in the same order.
        index_at: Which column holds an index of the log, or None.

    Raises:
        Tampered: A row is missing, surplus or different; `field` names table and column.

    """
    for wanted, found in zip_longest(expected, stored):
        if wanted == found:
            continue
        if found is None or _before(wanted, found, index_at):
            raise _row(table, "a row is missing", wanted, found, index_at=index_at)
        if wanted is None or _before(found, wanted, index_at):
            raise _row(table, "a row is surplus", wanted, found, index_at=index_at)
        index = None if index_at is None else wanted[index_at]
        for name, one, other in zip(columns, wanted, found, strict=True):
            if one != other:
                raise Tampered(
                    STEP,
                    "a stored value differs",
                    index=_index(index),
                    field=f"{table}.{name}",
                    expected=_text(one),
                    found=_text(other),
                )


def _before(row: _Row | None, other: _Row, index_at: int | None) -> bool:
    """Say whether a row stands before another one by its index, as far as both have one."""
    if row is None or index_at is None:
        return False
    one, two = row[index_at], other[index_at]
    return isinstance(one, int) and isinstance(two, int) and one < two


def _row(
    table: str, what: str, wanted: _Row | None, found: _Row | None, *, index_at: int | None
) -> Tampered:
    row = wanted if what == "a row is missing" else found
    return Tampered(
        STEP,
        what,
        index=None if row is None or index_at is None else _index(row[index_at]),
        field=table,
        expected=_text(wanted),
        found=_text(found),
    )


def differs(field: str, entry: Entry | None, *, expected: Any, found: Any) -> Tampered:
    """Name a stored value that is not what the entries say."""
    return Tampered(
        STEP,
        "a stored value differs",
        index=entry.index if entry else None,
        stream=entry.stream if entry else None,
        field=field,
        expected=_text(expected),
        found=_text(found),
    )


def _index(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return str(value).encode("utf-8", "backslashreplace").decode()
