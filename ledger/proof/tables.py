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
        row = wanted if wanted is not None else found
        index = row[index_at] if index_at is not None else None
        if wanted is None or found is None:
            what = "a row is missing" if found is None else "a row is surplus"
            raise Tampered(
                STEP,
                what,
                index=_index(index),
                field=table,
                expected=_text(wanted),
                found=_text(found),
            )
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
