"""One question about many names at once, in plain SQL that each database answers from its indexes.

SQLAlchemy spells out a parameter a name and compiles the statement for each number of them, which
costs more than the answer. SQLite gets a few fixed numbers of places, PostgreSQL arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection

from ledger.record.driving import Row, rows_of

_MOST: Final = 256
_COMMANDS: Final = 'SELECT c."by", c.id, c.digest, c."index" FROM command c JOIN '
_ENTRIES: Final = (
    'SELECT e."index", e.stream, e.seq, e.type, e.leaf, e.command, e.entry FROM entry e JOIN '
)


def commands_named(connection: Connection, names: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Yield the rows of those commands, named by party and id, that are recorded."""
    for part in _parts(names):
        if connection.dialect.name == "postgresql":
            by, ids = [list(column) for column in zip(*part, strict=True)]
            wanted = "unnest(%b::text[], %b::text[])"
            sql = f'{_COMMANDS}{wanted} AS n(a, b) ON c."by" = n.a AND c.id = n.b'
            yield from rows_of(connection, sql, (by, ids))
        else:
            sql = _COMMANDS + _values(_places(len(part)), 2)
            sql += ' n ON c."by" = n.column1 AND c.id = n.column2'
            flat = [value for name in _filled(part) for value in name]
            yield from rows_of(connection, sql, flat)


def entries_of(connection: Connection, streams: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of all entries of several streams, stream by stream, each in order."""
    for part in _parts(streams):
        if connection.dialect.name == "postgresql":
            sql = f"{_ENTRIES}unnest(%b::text[]) AS n(a) ON e.stream = n.a ORDER BY e.stream, e.seq"
            yield from rows_of(connection, sql, (list(part),))
        else:
            sql = _ENTRIES + _values(_places(len(part)), 1)
            sql += " n ON e.stream = n.column1 ORDER BY e.stream, e.seq"
            yield from rows_of(connection, sql, _filled(part))


def _parts(names: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(names), _MOST):
        yield names[start : start + _MOST]


def _places(count: int) -> int:
    """Return the next power of two: few different statements, each prepared once."""
    return 1 << (count - 1).bit_length()


def _filled(part: Sequence[Any]) -> list[Any]:
    # A place that is left over asks for nothing: NULL equals no name.
    blank = (None, None) if isinstance(part[0], tuple) else None
    return [*part, *[blank] * (_places(len(part)) - len(part))]


@cache
def _values(rows: int, columns: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return "(VALUES " + ", ".join([row] * rows) + ")"
