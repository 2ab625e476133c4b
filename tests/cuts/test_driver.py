"""The stand-in for `sqlite3` answers as `sqlite3` does: the product must not notice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cuts.vfs import RecordingFiles, recording

TABLE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL CHECK (b != 'no'))"
OPTIONS: dict[str, Any] = {
    "uri": True,
    "timeout": 0,
    "check_same_thread": False,
    "isolation_level": None,
}


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """A connection of each kind to a database of its own with one row."""
    with recording(b"driver") as vfs:
        given = [
            sqlite3.connect(f"file:{tmp_path / 'real'}?mode=rwc", **OPTIONS),
            RecordingFiles(vfs).connect(f"file:{tmp_path / 'ours'}?mode=rwc", **OPTIONS),
        ]
        for connection in given:
            connection.execute(TABLE)
            connection.execute("INSERT INTO t VALUES (?, ?)", (1, "yes"))
        yield tuple(given)  # type: ignore[misc]
        for connection in given:
            connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a, b AS c FROM t",
        "SELECT a FROM t WHERE a > 1",
        "UPDATE t SET b = 'x'",
        "UPDATE t SET b = 'x' WHERE a = 7",
        "INSERT INTO t VALUES (2, 'x')",
        "DELETE FROM t",
        "PRAGMA user_version",
        "BEGIN",
        "CREATE TABLE u (v)",
    ],
)
def test_rows_counts_and_columns_are_the_same(both: tuple[Any, Any], statement: str) -> None:
    found = []
    for connection in both:
        cursor = connection.cursor()
        cursor.execute(statement)
        names = cursor.description and [column[0] for column in cursor.description]
        # Both count what a statement changed; of statements that change nothing nobody asks.
        counted = cursor.rowcount if statement.startswith(("UPDATE", "INSERT", "DELETE")) else None
        found.append((names, cursor.fetchall(), cursor.fetchone(), counted))

    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("INSERT INTO t VALUES (1, 'again')", sqlite3.IntegrityError),
        ("INSERT INTO t VALUES (2, 'no')", sqlite3.IntegrityError),
        ("INSERT INTO t VALUES ('word', 'x')", sqlite3.IntegrityError),
        ("SELECT * FROM missing", sqlite3.OperationalError),
        ("nonsense", sqlite3.OperationalError),
        ("COMMIT", sqlite3.OperationalError),
    ],
)
def test_what_is_refused_is_refused_by_the_same_class(
    both: tuple[Any, Any], statement: str, kind: type[Exception]
) -> None:
    for connection in both:
        with pytest.raises(sqlite3.Error) as refused:
            connection.execute(statement)

        assert type(refused.value) is kind


def test_transactions_end_the_same_way(both: tuple[Any, Any]) -> None:
    for connection in both:
        connection.commit()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE t SET b = 'lost'")
        connection.rollback()
        connection.rollback()
        connection.execute("BEGIN")
        connection.cursor().executemany("INSERT INTO t VALUES (?, ?)", [(2, "x"), (3, "y")])
        connection.commit()

        cursor = connection.cursor()
        cursor.execute("SELECT b FROM t ORDER BY a")
        assert (cursor.fetchmany(2), cursor.fetchone()) == ([("yes",), ("x",)], ("y",))


def test_a_locked_database_and_one_that_is_none_are_told_apart(
    both: tuple[Any, Any], tmp_path: Path
) -> None:
    (tmp_path / "none").write_bytes(b"no database" * 1000)
    with recording(b"other") as vfs:
        connects = (sqlite3.connect, RecordingFiles(vfs).connect)
        for name, holder, connect in zip(("real", "ours"), both, connects, strict=True):
            holder.execute("BEGIN EXCLUSIVE")
            second = connect(f"file:{tmp_path / name}?mode=rwc", **OPTIONS)
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                second.execute("BEGIN IMMEDIATE")
            holder.rollback()
            second.close()
            strange = connect(f"file:{tmp_path / 'none'}?mode=rwc", **OPTIONS)
            with pytest.raises(sqlite3.DatabaseError, match="not a database") as refused:
                strange.execute("SELECT * FROM sqlite_schema")
            assert type(refused.value) is sqlite3.DatabaseError
            strange.close()
