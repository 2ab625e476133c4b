"""A ledger read from tables: every stored value that differs, in the words it is named with."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource
from tests.unit.proof import golden_tables as t
from tests.unit.proof.golden_log import (
    VALID,
    VKEY,
    NamedTree,
    files,
    raw_entries,
)
from tests.unit.proof.golden_tables import (
    check,
    empty,
    error_of,
    fault,
    golden,
    put,
    stored,
)

STREAMS = {20: "item/cards/1", 34: "item/old/relic"}


# The whole


def test_the_golden_tables_are_valid_and_the_whole_report_is_known() -> None:
    assert audit(DatabaseSource(golden().query), VKEY).document() == VALID


def test_bytes_may_come_as_views_of_memory() -> None:
    def query(sql: str) -> list[tuple[Any, ...]]:
        rows = golden()[sql]
        return [tuple(memoryview(v) if isinstance(v, bytes) else v for v in row) for row in rows]

    assert audit(DatabaseSource(query), VKEY).document() == VALID


def test_a_value_of_another_type_is_compared_as_it_looks() -> None:
    tables = golden()
    tables[t.HEAD] = [(1, 57.0, tables[t.HEAD][0][2])]
    assert fault(tables) == stored("head.size", "57", "57.0")


def test_a_derived_difference_leaves_the_rest_valid() -> None:
    tables = golden()
    tables[t.HEAD] = [(1, 58, tables[t.HEAD][0][2])]
    document = audit(DatabaseSource(tables.query), VKEY).document()
    assert document == {
        **VALID,
        "verdict": "tampered",
        "derived": "no",
        "fault": {
            "index": None, "stream": None, "step": "stored", "field": "head.size",
            "expected": "57", "found": "58", "message": "a stored value differs", "derived": True,
        },
    }  # fmt: skip


# Schema and positions


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], ""),
        ([("0001",)], "0001"),
        ([("0007",), ("x",)], "0007, x"),
        ([(2,), (None,)], "2, None"),
    ],
)
def test_another_schema_is_not_read(rows: list[tuple[Any, ...]], found: str) -> None:
    tables = golden()
    tables[t.SCHEMA] = rows
    assert error_of(lambda: DatabaseSource(tables.query)) == (
        "Unverifiable", "schema", "the database has another schema", None, None,
        "alembic_version", "0007", found,
    )  # fmt: skip


def test_of_few_rows_no_more_than_sixteen_are_read() -> None:
    def query(sql: str) -> Any:
        return t.without_end([], ("x",), most=16) if sql == t.SCHEMA else golden()[sql]

    assert error_of(lambda: DatabaseSource(query))[-1] == ", ".join(["x"] * 16)


def test_of_the_positions_no_more_than_sixteen_are_read_before_the_entries() -> None:
    def query(sql: str) -> Any:
        endless = t.without_end([], ("provenance", 57), most=16)
        return endless if sql == t.POSITION else golden()[sql]

    DatabaseSource(query)


@pytest.mark.parametrize("size", [0, 1, 30, 56, 57])
def test_views_may_be_behind(size: int) -> None:
    tables = golden()
    tables[t.POSITION] = [("provenance", size)]
    tables.update(t.view_rows(size))
    check(tables)


def test_views_that_were_never_begun_are_empty() -> None:
    tables = golden()
    tables[t.POSITION] = []
    tables.update(t.view_rows(0))
    check(tables)
    tables.update(t.view_rows(1) | t.view_rows(6))
    assert fault(tables)[2:6] == ("a row is surplus", 1, None, "view_party")


@pytest.mark.parametrize("size", [58, -1, "57", None, 57.0])
def test_a_position_that_cannot_be_is_named(size: object) -> None:
    tables = golden()
    tables[t.POSITION] = [("provenance", size)]
    shown = "57.0" if isinstance(size, float) else size
    assert fault(tables) == stored("view_position.size", "57", str([("provenance", shown)]))


def test_a_position_of_another_view_is_named() -> None:
    tables = golden()
    tables[t.POSITION] = [("provenance", 57), ("strange", 57)]
    rows = str(tables[t.POSITION])
    assert fault(tables) == stored("view_position.size", "57", rows)
    tables[t.POSITION] = [("strange", 57)]
    assert fault(tables)[5] == "view_position.size"


@pytest.mark.parametrize("table", [t.HISTORY, t.OWNERSHIP, t.PARTIES])
def test_every_column_of_every_view_is_compared(table: str) -> None:
    name = table.partition("FROM ")[2].partition(" ")[0]
    columns = table.removeprefix("SELECT ").partition(" FROM")[0].split(", ")
    order = columns.index(table.rpartition(" ")[2])
    for at, column in enumerate(columns):
        tables = golden()
        first = tables[table][0]
        other = first[at] + 1 if isinstance(first[at], int) else f"{first[at]}x"
        tables[table] = [put(tuple(first), at, other), *tables[table][1:]]
        found = fault(tables)
        if at == order:
            assert found[2:6] == ("a row is missing", first[order], None, name)
        else:
            shown = None if first[at] is None else str(first[at])
            assert found == stored(f"{name}.{column}", shown, str(other), first[order])


def test_an_order_that_no_entry_placed_is_surplus() -> None:
    tables = golden()
    tables[t.ORDERS] = [("x", "eve", "unpaid", "1", "CNY", 1, None, None, 3)]
    assert fault(tables)[2:6] == ("a row is surplus", 3, None, "view_order")


def test_goods_that_no_entry_registered_are_surplus() -> None:
    tables = golden()
    tables[t.GOODS] = [("cards/x", "shop", "point-card", "gift", None, None, 0, 3)]
    assert fault(tables)[2:6] == ("a row is surplus", 3, None, "view_goods")


# Checkpoints


def test_without_a_checkpoint_nothing_is_shown() -> None:
    assert error_of(DatabaseSource(empty().query).checkpoint) == (
        "Unverifiable", "checkpoint", "no checkpoint was published", None, None,
        "checkpoint", None, None,
    )  # fmt: skip


def test_checkpoints_come_with_the_sizes_they_are_kept_under() -> None:
    source = DatabaseSource(golden().query)
    held = files()
    assert source.checkpoint() == held["checkpoint"]
    assert list(source.checkpoints()) == [(31, held["checkpoints/31"]), (57, held["checkpoint"])]


@pytest.mark.parametrize("value", ["text", None, 7])
def test_a_checkpoint_that_is_no_bytes_is_tampered(value: object) -> None:
    tables = golden()
    tables[t.LATEST], tables[t.CHECKPOINTS] = [(value,)], [(31, -1, value)]
    source = DatabaseSource(tables.query)
    said = (
        "Tampered", "checkpoint", "the checkpoint is not bytes", None, None,
        "checkpoint.note", None, None,
    )  # fmt: skip
    assert error_of(source.checkpoint) == said
    assert error_of(lambda: list(source.checkpoints())) == said


@pytest.mark.parametrize(
    ("first", "second", "expected", "found"),
    [(0, 31, "-1", "0"), (None, 31, "-1", None), (-1, -1, "31", "-1"), (5, 6, "-1", "5")],
)
def test_each_checkpoint_names_the_one_before(
    first: object, second: object, expected: str, found: str | None
) -> None:
    tables = golden()
    tables[t.CHECKPOINTS] = [(31, first, b"a"), (57, second, b"b")]
    source = DatabaseSource(tables.query)
    assert list(source.checkpoints()) == [(31, b"a"), (57, b"b")]
    tree: Any = NamedTree(0)
    assert error_of(lambda: source.check_derived(tree, 0)) == stored(
        "checkpoint.previous", expected, found
    )


# Entries


def test_entries_come_with_their_stored_indices_until_one_is_no_bytes() -> None:
    tables = golden()
    tables[t.ENTRIES][2] = put(tables[t.ENTRIES][2], 6, "text")
    rows = DatabaseSource(tables.query).entries(1)
    raws = raw_entries()
    assert [next(rows), next(rows)] == [(0, raws[0]), (1, raws[1])]
    assert error_of(lambda: next(rows)) == (
        "Tampered", "parse", "the entry is not bytes", 2, None, "entry", None, None,
    )  # fmt: skip


@pytest.mark.parametrize("index", [20, 34])
@pytest.mark.parametrize(
    ("at", "column"),
    list(enumerate(("index", "stream", "seq", "type", "leaf", "command"))),
)
def test_every_column_beside_an_entry_is_compared(index: int, at: int, column: str) -> None:
    tables = golden()
    row = tables[t.ENTRIES][index]
    tables[t.ENTRIES][index] = put(row, at, "other")
    shown = row[at].hex() if isinstance(row[at], bytes) else str(row[at])
    expected = stored(f"entry.{column}", shown, "other", index)
    assert fault(tables) == put(expected, 4, STREAMS[index])


def test_the_first_difference_is_the_one_that_is_named() -> None:
    tables = golden()
    for index in (20, 34):
        row = tables[t.ENTRIES][index]
        tables[t.ENTRIES][index] = put(put(row, 2, 99), 4, b"")
    tables[t.HEAD] = []
    assert fault(tables) == put(stored("entry.seq", "0", "99", 20), 4, "item/cards/1")


# Candidates for leaf hashes


def references(size: int, leaves: list[Any], tiles: list[Any]) -> list[list[bytes]]:
    tables = empty()
    tables[t.LEAVES], tables[t.LEVEL_0] = leaves, tiles
    # Copies: the second candidate is the first one with the tiles written over it.
    return [list(each) for each in DatabaseSource(tables.query).references(size)]


def test_leaf_hashes_of_the_entries_come_first() -> None:
    assert references(2, [(0, b"a"), (1, b"b")], []) == [[b"a", b"b"]] * 2
    assert references(1, [(0, b"a"), (1, b"b")], []) == [[b"a"]] * 2
    assert references(0, [], []) == [[], []]
    assert references(3, [(0, b"a"), (2, b"c"), (3, b"d")], []) == [[b"a", b"", b"c"]] * 2


def test_the_hashes_of_the_tiles_are_written_over_them() -> None:
    tree = NamedTree()
    leaves = [(index, b"%d" % index) for index in range(300)]
    mine = [hash_ for _, hash_ in leaves]
    tiles = [(0, tree.tile(0, 0))]
    all_ = [tree.node(0, at) for at in range(512)]
    assert references(300, leaves, tiles) == [mine, all_[:256] + mine[256:]]
    assert references(200, leaves, tiles) == [mine[:200], all_[:200]]
    second = [(1, tree.tile(0, 1))]
    assert references(300, leaves, second) == [mine, mine[:256] + all_[256:300]]
    assert references(300, leaves, tiles + second) == [mine, all_[:300]]
    assert references(300, leaves, [(2, b"x")]) == [mine, mine]


def test_no_room_is_made_for_what_is_not_there() -> None:
    tiles = [(0, NamedTree().tile(0, 0))]
    assert references(2, [(0, b"a")], []) == []
    assert [len(each) for each in references(257, [(0, b"a")], tiles)] == [257, 257]
    assert references(258, [(0, b"a")], tiles) == []


@pytest.mark.parametrize("number", ["1", None, -1, 0])
def test_hashes_are_read_as_long_as_their_numbers_ascend(number: object) -> None:
    assert references(1, [(0, b"a"), (number, b"b"), (1, b"c")], []) == [[b"a"]] * 2
    assert references(2, [(0, b"a"), (number, b"b"), (1, b"c")], []) == []
    assert references(1, [(-1, b"a"), (0, b"b")], []) == []


def test_a_hash_that_is_no_bytes_is_not_at_hand() -> None:
    assert references(2, [(0, "a"), (1, b"b"), (2, b"c")], []) == [[b"", b"b"]] * 2
