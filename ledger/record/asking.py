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
from ledger.rules.evolve import said_whole

_MOST: Final = 256
_COMMANDS: Final = 'SELECT c."by", c.id, c.digest, c."index" FROM command c JOIN '
_NO_BOUND: Final = (1 << 63) - 1
_ALL: Final = (
    'SELECT e."index", e.stream, e.seq, e.type, e.leaf, e.command, e.entry FROM entry e '
    'JOIN {names} ON e.stream = {name} WHERE e."index" < {below} ORDER BY e.stream, e.seq'
)
_LAST: Final = (
    'SELECT e."index", e.stream, e.seq, e.type, e.leaf, e.command, e.entry FROM entry e '
    "JOIN {names} ON e.stream = {name} WHERE e.seq = (SELECT x.seq FROM entry x WHERE "
    'x.stream = {name} AND x."index" < {below} ORDER BY x.seq DESC LIMIT 1) ORDER BY e.stream'
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


def entries_of(
    connection: Connection, streams: Sequence[str], *, below: int = _NO_BOUND
) -> Iterator[Row]:
    """Yield the rows that states of several streams follow from, stream by stream, in order.

    Args:
        connection: Where to ask.
        streams: Their names.
        below: Only entries whose index is lower.

    Yields:
        All entries of a stream; of one whose every entry says all of its state, the last.

    """
    parts = [(name, said_whole(name)) for name in streams]
    for sql, names in (
        (_ALL, [name for name, whole in parts if not whole]),
        (_LAST, [name for name, whole in parts if whole]),
    ):
        for part in _parts(names):
            if connection.dialect.name == "postgresql":
                wanted = "unnest(%b::text[]) AS n(a)"
                statement = sql.format(names=wanted, name="n.a", below="%b")
                yield from rows_of(connection, statement, (list(part), below))
            else:
                wanted = _values(_places(len(part)), 1) + " n"
                statement = sql.format(names=wanted, name="n.column1", below="?")
                yield from rows_of(connection, statement, [*_filled(part), below])


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
