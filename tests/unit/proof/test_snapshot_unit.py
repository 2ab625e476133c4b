"""A SQLite file, opened for reading only and as it was at the first question."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.proof import database
from ledger.proof.database import Query, sqlite_snapshot
from ledger.proof.errors import VerificationError
from tests.unit.proof.golden_log import seen

ROWS = "SELECT name, held FROM things ORDER BY name"


def make(path: Path, script: str = "") -> Path:
    with closing(sqlite3.connect(path)) as link:
        link.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE things (name TEXT, held BLOB);"
            f"INSERT INTO things VALUES ('a', x'01ff'), ('b', NULL); {script}"
        )
    return path


def error_of(act: Callable[[], Any]) -> tuple[object, ...]:
    with pytest.raises(VerificationError) as raised:
        act()
    return seen(raised.value)


def opened(path: Path, sql: str = ROWS) -> list[Any]:
    with sqlite_snapshot(path) as query:
        return list(query(sql))


def said(message: str, field: str = "file", found: str | None = None) -> tuple[object, ...]:
    return ("Unverifiable", "database", message, None, None, field, None, found)


@pytest.mark.parametrize("name", ["ledger.sqlite", "a b?mode=rwc#x%20.sqlite", "é"])
def test_rows_are_read_from_a_file_of_any_name(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name)
    assert opened(path) == [("a", b"\x01\xff"), ("b", None)]


def test_a_relative_path_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "ledger.sqlite")
    monkeypatch.chdir(tmp_path)
    assert len(opened(Path("ledger.sqlite"))) == 2


@pytest.mark.parametrize("name", ["nothing", "folder"])
def test_what_is_no_file_is_not_read_nor_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    assert error_of(lambda: opened(path)) == said(f"there is no ledger at {path}")
    assert not (tmp_path / "nothing").exists()


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but a text of some length" * 40, encoding="utf-8")
    found = error_of(lambda: opened(tmp_path / "text"))
    assert found == said("SQLite says: file is not a database")


def test_a_file_that_cannot_be_opened_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def refuse(*arguments: Any, **named: Any) -> None:
        given.append((arguments, named))
        raise sqlite3.OperationalError("not today")

    path = make(tmp_path / "ledger.sqlite")
    monkeypatch.setattr(sqlite3, "connect", refuse)
    assert error_of(lambda: opened(path)) == said("SQLite says: not today")
    assert given == [((f"{path.as_uri()}?mode=ro",), {"uri": True, "isolation_level": None})]


def test_a_table_that_is_missing_is_said(tmp_path: Path) -> None:
    path = make(tmp_path / "ledger.sqlite")
    found = error_of(lambda: opened(path, "SELECT 1 FROM no_table"))
    assert found == said("SQLite says: no such table: no_table")


def test_nothing_can_be_written(tmp_path: Path) -> None:
    path = make(tmp_path / "ledger.sqlite")
    found = error_of(lambda: opened(path, "DELETE FROM things"))
    assert found == said("SQLite says: attempt to write a readonly database")


def test_every_question_is_about_the_same_moment(tmp_path: Path) -> None:
    path = make(tmp_path / "ledger.sqlite")
    with sqlite_snapshot(path) as query, closing(sqlite3.connect(path)) as writer:
        before = list(query(ROWS))
        writer.execute("DELETE FROM things")
        writer.commit()
        assert list(query(ROWS)) == before
    assert opened(path) == []


def test_rows_of_two_questions_may_be_read_in_turn(tmp_path: Path) -> None:
    with sqlite_snapshot(make(tmp_path / "ledger.sqlite")) as query:
        both = list(zip(query(ROWS), query(ROWS), strict=True))
    assert [one == two for one, two in both] == [True, True]


def test_the_file_is_let_go_at_the_end(tmp_path: Path) -> None:
    kept: list[Query] = []
    with sqlite_snapshot(make(tmp_path / "ledger.sqlite")) as query:
        kept.append(query)
    found = error_of(lambda: list(kept[0](ROWS)))
    assert found == said("SQLite says: Cannot operate on a closed database.")


def test_damaged_text_is_still_read(tmp_path: Path) -> None:
    script = "INSERT INTO things VALUES (CAST(x'63ff' AS TEXT), 1);"
    path = make(tmp_path / "ledger.sqlite", script)
    assert opened(path)[-1] == ("c\udcff", 1)


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("CREATE VIEW made AS SELECT 1;", "made"),
        ("CREATE TABLE made (a INT, b INT GENERATED ALWAYS AS (a + 1));", "made"),
        ("CREATE TABLE made (a INT, b INT AS (a) STORED);", "made"),
    ],
)
def test_what_computes_its_rows_is_not_read(tmp_path: Path, script: str, name: str) -> None:
    path = make(tmp_path / "ledger.sqlite", script)
    assert error_of(lambda: opened(path)) == said("it computes its rows", "schema", name)


def test_values_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_VALUE_BYTES_MAX", 2000)
    path = make(tmp_path / "ledger.sqlite", "INSERT INTO things VALUES ('c', zeroblob(1900));")
    assert len(opened(path)) == 3
    path = make(tmp_path / "large.sqlite", "INSERT INTO things VALUES ('c', zeroblob(2001));")
    assert error_of(lambda: opened(path)) == said("SQLite says: string or blob too big")
