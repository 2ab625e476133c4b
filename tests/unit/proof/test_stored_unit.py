"""Tables beside the entries: commands, keys, head, tiles and boxes, compared value by value."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource
from tests.unit.proof import golden_tables as t
from tests.unit.proof.golden_log import (
    ORIGIN,
    VALID,
    VKEY,
    NamedTree,
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
    without_end,
)

# Tables beside the entries


@pytest.mark.parametrize(
    ("question", "columns"),
    [
        (t.COMMANDS, ("command.by", "command.id", "command.digest", "command")),
        (t.KEYS, ("registered_key.id", "registered_key.party", "registered_key")),
    ],
)
def test_every_column_of_commands_and_keys_is_compared(
    question: str, columns: tuple[str, ...]
) -> None:
    index_at = len(columns) - 1
    for at, column in enumerate(columns):
        tables = golden()
        row = tables[question][3]
        tables[question][3] = put(row, at, "other" if at < index_at else row[at] + 1)
        kind, step, message, index, _, field, _, _ = fault(tables)
        assert (kind, step, field) == ("Tampered", "stored", column)
        assert index == row[index_at]
        assert message == ("a stored value differs" if at < index_at else "a row is missing")


@pytest.mark.parametrize("question", [t.COMMANDS, t.KEYS, t.BOXES])
def test_a_row_too_many_or_too_few_is_named_by_its_index(question: str) -> None:
    name = question.partition("FROM ")[2].partition(" ")[0]
    index_at = 0 if question == t.BOXES else len(golden()[question][0]) - 1
    tables = golden()
    row = tables[question].pop()
    assert fault(tables)[2:6] == ("a row is missing", row[index_at], None, name)
    tables[question] += [row, put(row, index_at, 99)]
    assert fault(tables)[2:6] == ("a row is surplus", 99, None, name)


@pytest.mark.parametrize(
    ("question", "name"),
    [(t.COMMANDS, "command"), (t.KEYS, "registered_key"), (t.BOXES, "disclosure")],
)
def test_an_index_that_is_no_number_is_a_value_that_differs(question: str, name: str) -> None:
    tables = golden()
    row = tables[question][1]
    at = 0 if question == t.BOXES else len(row) - 1
    tables[question][1] = put(row, at, "x")
    assert fault(tables) == stored(f"{name}.index", str(row[at]), "x", row[at])


@pytest.mark.parametrize(
    ("row", "field", "expected", "found"),
    [((2, 57), "head.id", "1", "2"), ((1, 56), "head.size", "57", "56")],
)
def test_the_head_is_compared(row: tuple[int, int], field: str, expected: str, found: str) -> None:
    tables = golden()
    leaf = tables[t.HEAD][0][2]
    tables[t.HEAD] = [(*row, leaf)]
    assert fault(tables) == stored(field, expected, found)
    tables[t.HEAD] = [(1, 57, b"\x01")]
    assert fault(tables) == stored("head.leaf", leaf.hex(), "01")
    tables[t.HEAD] = []
    assert fault(tables)[2:6] == ("a row is missing", None, None, "head")
    tables[t.HEAD] = [(1, 57, leaf), (2, 57, leaf)]
    assert fault(tables)[2:6] == ("a row is surplus", None, None, "head")


def test_tables_are_compared_in_their_order() -> None:
    good, tables = golden(), golden()
    for question in (t.COMMANDS, t.KEYS, t.HEAD, t.BOXES, t.POSITION):
        tables[question] = []
    tables[t.TILES] = [(0, 0, b"")]
    for question, field in (
        (t.COMMANDS, "command"),
        (t.KEYS, "registered_key"),
        (t.HEAD, "head"),
        (t.TILES, "tile"),
        (t.BOXES, "disclosure"),
        (t.POSITION, "view_history"),
    ):
        assert fault(tables)[5] == field
        tables[question] = good[question]
    check(tables)


# Tiles


def tiled(size: int, rows: list[tuple[Any, ...]], *, published: int | None = None) -> None:
    tables = empty(size)
    tables[t.TILES] = rows
    tree: Any = NamedTree(size)
    DatabaseSource(tables.query).check_derived(tree, size if published is None else published)


ONE, TWO = (0, 0, NamedTree().tile(0, 0)), (0, 1, NamedTree().tile(0, 1))


def test_full_tiles_of_what_is_published_are_stored_and_no_others() -> None:
    tiled(0, [])
    tiled(255, [])
    tiled(256, [ONE])
    tiled(511, [ONE])
    tiled(512, [ONE, TWO])
    tiled(600, [ONE], published=511)
    tiled(600, [], published=255)


def test_a_tile_too_many_or_too_few_is_named() -> None:
    said = ("Tampered", "stored", "a row is surplus", None, None, "tile", None, "(0, 0)")
    assert error_of(lambda: tiled(600, [ONE], published=255)) == said
    assert error_of(lambda: tiled(512, [ONE], published=512)) == (
        "Tampered", "stored", "a row is missing", None, None, "tile", "(0, 1)", None,
    )  # fmt: skip
    assert error_of(lambda: tiled(512, [ONE, (0, 2, b"")])) == stored("tile.number", "1", "2")
    assert error_of(lambda: tiled(512, [ONE, (1, 1, b"")])) == stored("tile.level", "0", "1")


def test_tiles_above_the_first_level_are_stored_as_well() -> None:
    tree = NamedTree()
    rows = [(0, number, tree.tile(0, number)) for number in range(256)]
    tiled(65_536, [*rows, (1, 0, tree.tile(1, 0))])
    bad = tree.tile(1, 0)[:-32] + bytes(32)
    assert error_of(lambda: tiled(65_536, [*rows, (1, 0, bad)]))[3:6] == (
        65_280, None, "tile/1/000",
    )  # fmt: skip


def test_a_hash_of_a_tile_that_differs_is_named() -> None:
    bad = (0, 1, TWO[2][:64] + bytes(32) + TWO[2][96:])
    assert error_of(lambda: tiled(512, [ONE, bad])) == (
        "Tampered", "tile", "a stored hash differs from the recomputed one", 258, None,
        "tile/0/001", NamedTree().node(0, 258), bytes(32),
    )  # fmt: skip
    assert error_of(lambda: tiled(256, [(0, 0, "text")])) == stored("tile.hashes", "bytes", "text")
    assert error_of(lambda: tiled(256, [(0, 0, b"short")]))[:2] == ("MalformedEvidence", "tile")


@pytest.mark.parametrize("question", [t.TILES, t.BOXES])
def test_tables_without_end_are_not_read_to_their_end(question: str) -> None:
    def query(sql: str) -> Any:
        tables = golden()
        endless = (0, 0, b"", b"") if sql == t.BOXES else (0, 0, b"")
        return without_end(tables[sql], endless, most=1) if sql == question else tables[sql]

    document = audit(DatabaseSource(query), VKEY).document()
    assert document["fault"]["message"] == "a row is surplus"


# The vault


class Boxes:
    """Takes the place of the vault's reader: keeps what it is asked to open."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def check(self, **named: Any) -> None:
        self.asked.append(named)


def test_every_box_is_opened_with_what_it_is_bound_to() -> None:
    boxes = Boxes()
    check(golden(), boxes)
    expected = []
    for index, raw in enumerate(raw_entries()):
        entry = t.json.loads(raw)
        for sealed in entry.get("command", {}).get("sealed", []):
            expected.append(
                {
                    "log": ORIGIN,
                    "command": entry["command"]["id"],
                    "index": index,
                    "name": sealed["name"],
                    "subject": sealed["subject"],
                    "box": f"box {index}".encode(),
                    "digest": sealed["digest"],
                }
            )
    assert [each["index"] for each in expected] == [20, 21, 29, 30]
    assert boxes.asked == expected


def test_an_empty_box_is_counted_as_lost_and_the_others_are_opened() -> None:
    tables, boxes = golden(), Boxes()
    tables[t.BOXES][1] = put(tables[t.BOXES][1], 3, b"")
    source = DatabaseSource(tables.query, vault=boxes)  # type: ignore[arg-type]
    assert source.lost == 0

    assert audit(source, VKEY).document() == {**VALID, "lost": 1}
    assert [each["index"] for each in boxes.asked] == [20, 29, 30]


def test_empty_boxes_are_counted_as_lost_without_any_keys() -> None:
    tables = golden()
    tables[t.BOXES] = [put(row, 3, b"") for row in tables[t.BOXES]]

    assert audit(DatabaseSource(tables.query), VKEY).document() == {**VALID, "lost": 4}


def test_a_box_that_is_no_bytes_is_named_where_boxes_are_opened() -> None:
    tables = golden()
    tables[t.BOXES][1] = put(tables[t.BOXES][1], 3, "text")
    check(tables)
    boxes = Boxes()
    assert fault(tables, boxes) == stored("disclosure.box", "bytes", "text")
    assert len(boxes.asked) == 1


@pytest.mark.parametrize(("at", "column"), [(1, "name"), (2, "subject")])
def test_every_column_beside_a_box_is_compared(at: int, column: str) -> None:
    tables = golden()
    row = tables[t.BOXES][2]
    tables[t.BOXES][2] = put(row, at, "other")
    assert fault(tables) == stored(f"disclosure.{column}", row[at], "other", row[0])
