"""A database from somebody else: its schema is his program, and none of it runs without end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.proof.__main__ import main
from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource, sqlite_snapshot
from ledger.proof.errors import Unverifiable
from ledger.proof.report import EXIT_OF
from tests.databases import sqlite_file_url
from tests.worlds import World

WITHOUT_END = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)"
ENTRIES = f"""
ALTER TABLE entry RENAME TO entry_; CREATE VIEW entry AS {WITHOUT_END}
SELECT i AS "index", 'log' AS stream, 0 AS seq, 'x' AS type, zeroblob(32) AS leaf,
    zeroblob(32) AS command, zeroblob(9) AS entry FROM n"""
CHECKPOINTS = f"""
ALTER TABLE checkpoint RENAME TO checkpoint_; CREATE VIEW Checkpoint AS {WITHOUT_END}
SELECT c.size, c.previous, c.note FROM n, checkpoint_ AS c"""
COMPUTED = """
ALTER TABLE alembic_version RENAME TO version_;
CREATE TABLE alembic_version (a, version_num GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL);
INSERT INTO alembic_version (a) VALUES (1), (2), (3)"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "hostile") as opened:
        opened.register("ann")
        opened.publish()
        yield opened


def changed(world: World, folder: Path, script: str) -> Path:
    """A copy of the database after a script."""
    copy = folder / "copy.sqlite"
    with sqlite3.connect(folder / "ledger.sqlite") as source, sqlite3.connect(copy) as target:
        source.backup(target)
        target.executescript(script)
    source.close()
    target.close()
    return copy


@pytest.mark.parametrize(
    ("script", "name"),
    [(ENTRIES, "entry"), (CHECKPOINTS, "Checkpoint"), (COMPUTED, "alembic_version")],
)
def test_rows_that_a_schema_computes_are_not_read(
    world: World, tmp_path: Path, script: str, name: str
) -> None:
    copy = changed(world, tmp_path, script)

    with pytest.raises(Unverifiable) as refused, sqlite_snapshot(copy):
        pass

    assert (refused.value.step, refused.value.field) == ("database", "schema")
    assert refused.value.found == name
    assert main(["audit", str(copy), "--vkey", world.vkey]) == EXIT_OF["unverifiable"]


def test_a_value_that_no_ledger_holds_is_not_read(world: World, tmp_path: Path) -> None:
    script = "DELETE FROM alembic_version; INSERT INTO alembic_version VALUES (zeroblob(40000000))"
    copy = changed(world, tmp_path, script)

    with sqlite_snapshot(copy) as query, pytest.raises(Unverifiable) as refused:
        DatabaseSource(query)

    assert refused.value.message == "SQLite says: string or blob too big"


def test_an_index_that_gives_one_row_for_ever_ends(world: World, tmp_path: Path) -> None:
    """A damaged tree of pages can lead to one page again and again."""
    with sqlite_snapshot(changed(world, tmp_path, "")) as query:

        def looping(sql: str) -> Iterator[tuple[object, ...]]:
            rows = list(query(sql))
            yield from rows
            while rows and "leaf FROM entry" in sql:
                yield rows[-1]

        report = audit(DatabaseSource(looping), world.vkey)

    assert report.verdict == "valid"
