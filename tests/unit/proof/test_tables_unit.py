"""Comparing rows: which row is named, in which words."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.tables import compare, differs
from ledger.rules.entries import read_entry
from tests.unit.proof.golden_log import raw_entries, seen

COLUMNS = ("by", "index")
FIRST, SECOND, THIRD = ("anna", 3), ("bob", 5), ("carl", 8)
Rows = list[tuple[Any, ...]]


def fault(expected: Rows, stored: Rows, *, index_at: int | None = 1) -> tuple[object, ...]:
    with pytest.raises(Tampered) as raised:
        compare("command", COLUMNS, expected, stored, index_at=index_at)
    return seen(raised.value)


def stored_fault(message: str, index: int | None, *rest: object) -> tuple[object, ...]:
    return ("Tampered", "stored", message, index, None, *rest)


@pytest.mark.parametrize("rows", [[], [FIRST], [FIRST, SECOND, THIRD]])
def test_equal_rows_are_no_fault(rows: Rows) -> None:
    compare("command", COLUMNS, rows, iter(rows), index_at=1)
    compare("command", COLUMNS, rows, iter(rows), index_at=None)


@pytest.mark.parametrize(
    ("expected", "stored", "missing"),
    [
        ([FIRST, SECOND], [FIRST], SECOND),
        ([FIRST, SECOND], [], FIRST),
    ],
)
def test_a_row_that_is_missing_at_the_end_is_named_by_its_index(
    expected: Rows, stored: Rows, missing: tuple[Any, ...]
) -> None:
    assert fault(expected, stored) == stored_fault(
        "a row is missing", missing[1], "command", str(missing), None
    )


def test_a_row_that_is_missing_in_the_middle_is_named_and_not_its_successor() -> None:
    assert fault([FIRST, SECOND, THIRD], [FIRST, THIRD]) == stored_fault(
        "a row is missing", 5, "command", str(SECOND), str(THIRD)
    )


def test_a_surplus_row_is_named_by_its_own_index() -> None:
    assert fault([FIRST], [FIRST, SECOND]) == stored_fault(
        "a row is surplus", 5, "command", None, str(SECOND)
    )
    assert fault([FIRST, THIRD], [FIRST, SECOND, THIRD]) == stored_fault(
        "a row is surplus", 5, "command", str(THIRD), str(SECOND)
    )


def test_without_an_index_rows_are_compared_in_their_places() -> None:
    assert fault([FIRST, SECOND, THIRD], [FIRST, THIRD], index_at=None) == stored_fault(
        "a stored value differs", None, "command.by", "bob", "carl"
    )
    assert fault([FIRST], [], index_at=None) == stored_fault(
        "a row is missing", None, "command", str(FIRST), None
    )
    assert fault([], [FIRST], index_at=None) == stored_fault(
        "a row is surplus", None, "command", None, str(FIRST)
    )


def test_a_different_value_is_named_with_its_column_and_the_row_s_index() -> None:
    assert fault([FIRST, SECOND], [FIRST, ("bo", 5)]) == stored_fault(
        "a stored value differs", 5, "command.by", "bob", "bo"
    )


def test_the_first_column_at_fault_is_named() -> None:
    assert fault([("a", 1)], [("b", None)]) == stored_fault(
        "a stored value differs", 1, "command.by", "a", "b"
    )


@pytest.mark.parametrize("strange", [None, "5", b"\x05"])
def test_a_stored_index_that_is_no_number_is_a_value_that_differs(strange: object) -> None:
    shown = {None: None, "5": "5", b"\x05": "05"}[strange]  # type: ignore[index]
    assert fault([SECOND], [("bob", strange)]) == stored_fault(
        "a stored value differs", 5, "command.index", "5", shown
    )


def test_a_surplus_row_whose_index_is_no_number_has_no_index() -> None:
    assert fault([], [("bob", "x")]) == stored_fault(
        "a row is surplus", None, "command", None, "('bob', 'x')"
    )


def test_a_row_of_the_same_index_is_neither_missing_nor_surplus() -> None:
    assert fault([(0, 5)], [(1, 5)])[2] == "a stored value differs"
    assert fault([(1, 5)], [(0, 5)])[2] == "a stored value differs"


def test_rows_of_another_width_are_a_bug_and_no_evidence() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare("command", COLUMNS, [("a", 1)], [("a", 1, 2)], index_at=None)


def test_evidence_is_text_that_can_be_written_whatever_was_stored() -> None:
    bytes_, broken = fault([(b"\x01\xff", 1)], [("a\udcff", 1)])[6:]
    assert (bytes_, broken) == ("01ff", "a\\udcff")
    assert fault([("é", 1)], [(7, 1)])[6:] == ("é", "7")


def test_a_value_beside_an_entry_is_named_with_the_entry_s_place() -> None:
    entry = read_entry(raw_entries()[22])

    assert seen(differs("entry.seq", entry, expected=1, found=b"\x02")) == (
        "Tampered",
        "stored",
        "a stored value differs",
        22,
        "item/cards/1",
        "entry.seq",
        "1",
        "02",
    )
    assert seen(differs("head", None, expected=None, found="x")) == stored_fault(
        "a stored value differs", None, "head", None, "x"
    )
