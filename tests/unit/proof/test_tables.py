"""Comparing rows: the first that is missing, surplus or different, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.tables import compare, differs
from tests.unit.proof.story import READ, told

Row = tuple[Any, ...]
COLUMNS = ("at", "name")
ROWS: list[Row] = [(1, "a"), (4, "b"), (9, "c")]


def fault(expected: list[Row], stored: list[Row], *, index_at: int | None = 0) -> dict[str, Any]:
    with pytest.raises(Tampered) as caught:
        compare("t", COLUMNS, iter(expected), iter(stored), index_at=index_at)
    return told(caught.value)


def stored(message: str, **more: Any) -> dict[str, Any]:
    plain = {"stream": None, "index": None, "field": None, "expected": None, "found": None}
    return {"is": "Tampered", "message": message, "step": "stored", **plain, **more}


@pytest.mark.parametrize("rows", [[], ROWS])
@pytest.mark.parametrize("index_at", [None, 0])
def test_the_same_rows_are_the_same(rows: list[Row], index_at: int | None) -> None:
    compare("t", COLUMNS, rows, iter(list(rows)), index_at=index_at)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_missing_row_is_named_by_its_index(place: int) -> None:
    rest = ROWS[:place] + ROWS[place + 1 :]
    found = None if place == 2 else str(ROWS[place + 1])

    assert fault(ROWS, rest) == stored(
        "a row is missing",
        field="t",
        index=ROWS[place][0],
        expected=str(ROWS[place]),
        found=found,
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_surplus_row_is_named_by_its_index(place: int) -> None:
    rest = ROWS[:place] + ROWS[place + 1 :]
    wanted = None if place == 2 else str(ROWS[place + 1])

    assert fault(rest, ROWS) == stored(
        "a row is surplus",
        field="t",
        index=ROWS[place][0],
        expected=wanted,
        found=str(ROWS[place]),
    )


def test_a_different_value_is_named_by_its_column() -> None:
    assert fault(ROWS, [ROWS[0], (4, "x"), ROWS[2]]) == stored(
        "a stored value differs", field="t.name", index=4, expected="b", found="x"
    )


def test_without_an_index_only_the_ends_are_missing_or_surplus() -> None:
    message = "a stored value differs"
    assert fault(ROWS, ROWS[1:], index_at=None) == stored(
        message, field="t.at", expected="1", found="4"
    )
    assert fault(ROWS, ROWS[:2], index_at=None) == stored(
        "a row is missing", field="t", expected="(9, 'c')"
    )
    assert fault(ROWS[:2], ROWS, index_at=None) == stored(
        "a row is surplus", field="t", found="(9, 'c')"
    )


def test_the_index_may_stand_in_any_column() -> None:
    assert fault([("a", 7), ("b", 8)], [("a", 7)], index_at=1)["index"] == 7 + 1
    assert fault([("a", 7)], [("b", 7)], index_at=1)["index"] == 7
    assert fault([("a", 7)], [("a", 6)], index_at=1)["message"] == "a row is surplus"


@pytest.mark.parametrize("odd", ["x", None, b"\x00", "1"])
def test_an_index_that_is_no_number_differs(odd: Any) -> None:
    shown = odd.hex() if isinstance(odd, bytes) else odd
    expected = stored("a stored value differs", field="t.at", index=1, expected="1", found=shown)

    assert fault([(1, "a")], [(odd, "a")]) == expected


def test_a_surplus_row_without_a_number_has_no_index() -> None:
    assert fault([], [("x", "a")])["index"] is None


def test_bytes_are_shown_in_hex_and_damaged_text_escaped() -> None:
    found = fault([(1, b"\x01\xff")], [(1, "\udc80x")])

    assert (found["expected"], found["found"]) == ("01ff", "\\udc80x")


def test_text_and_bytes_are_never_the_same() -> None:
    assert fault([(1, b"a")], [(1, "a")])["field"] == "t.name"


def test_a_value_beside_an_entry_is_named_with_the_entry() -> None:
    expected = stored(
        "a stored value differs",
        field="entry.leaf",
        index=45,
        stream="item/old/relic",
        expected="01",
        found="None",
    )
    assert told(differs("entry.leaf", READ[45], expected=b"\x01", found="None")) == expected


def test_a_value_beside_no_entry_is_named_alone() -> None:
    expected = stored("a stored value differs", field="head.size", expected="3")

    assert told(differs("head.size", None, expected=3, found=None)) == expected
