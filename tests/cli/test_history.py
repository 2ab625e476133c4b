"""`yinzheng history`: who held an item when, on whose word, with its gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Program, address

PARTY = "imported/old/"


def history(program: Program, folder: Path, *more: object) -> dict[str, Any]:
    return program.json("history", "old/7", "--dir", folder, *more)


def what(document: dict[str, Any]) -> list[str]:
    return [str(each["type"]).partition("/")[0] for each in document["history"]]


def test_the_whole_history_shows_owners_prices_words_and_gaps(
    program: Program, imported: Path
) -> None:
    document = history(program, imported)

    assert document["owner"] == PARTY + address(6)
    assert document["gaps"] == 2
    assert what(document) == [
        "item-first-seen",
        "sale-imported",
        "sale-imported",
        "provenance-gap-recorded",
        "sale-imported",
        "provenance-gap-recorded",
        "sale-imported",
    ]
    assert {each["word"] for each in document["history"]} == {"attested"}
    assert document["history"][2]["to"] == "unknown"
    assert document["history"][3]["reason"] == "buyer-not-recorded"
    assert document["history"][4]["price"] == {
        "amount": "31000000000000000000",
        "currency": "ETH",
    }
    assert document["history"][5]["reason"] == "moved-elsewhere"


def test_at_every_index_the_owner_is_the_one_after_that_entry(
    program: Program, imported: Path
) -> None:
    rows = history(program, imported)["history"]
    # An item is held by the receiver of its last move.
    for each in rows[:4]:
        document = history(program, imported, "--at-index", each["index"])
        assert document["owner"] == each["to"]
        assert document["as_of"] == {"index": each["index"]}
        assert document["history"] == [one for one in rows if one["index"] <= each["index"]]


def test_before_its_first_entry_the_item_is_unknown(program: Program, imported: Path) -> None:
    ran = program("history", "old/7", "--dir", imported, "--at-index", 4, "--json")

    assert (ran.code, ran.error["code"]) == (2, "unknown-item")
    assert ran.error["kept"] == "Nothing was changed."
    assert ran.error["do"] == "Check the namespace and the id, or ask for a later moment."


def test_an_index_beyond_the_log_is_refused(program: Program, imported: Path) -> None:
    ran = program("history", "old/7", "--dir", imported, "--at-index", 10**6, "--json")

    assert (ran.code, ran.error["code"]) == (2, "entry-not-found")


@pytest.mark.parametrize(
    ("time", "owner"),
    [
        ("2018-01-01T10:00:00.000000Z", PARTY + address(2)),
        ("2018-01-02", PARTY + address(2)),
        ("2018-01-02 10:00", "unknown"),
        ("2018-01-03T10:00:00Z", PARTY + address(4)),
        ("2099-01-01", PARTY + address(6)),
    ],
)
def test_at_a_time_of_the_source_the_owner_is_the_last_buyer(
    program: Program, imported: Path, time: str, owner: str
) -> None:
    assert history(program, imported, "--at-source-time", time)["owner"] == owner


def test_before_the_first_sale_nobody_is_known(program: Program, imported: Path) -> None:
    ran = program("history", "old/7", "--dir", imported, "--at-source-time", "2017-12-31", "--json")

    assert (ran.code, ran.error["code"]) == (2, "unknown-item")


def test_at_a_time_of_the_ledger_only_what_was_recorded_then_counts(
    program: Program, imported: Path
) -> None:
    last = history(program, imported)["history"][-1]["at"]

    assert history(program, imported, "--at-time", last)["owner"] == PARTY + address(6)
    ran = program("history", "old/7", "--dir", imported, "--at-time", "2018-01-05", "--json")
    assert (ran.code, ran.error["code"]) == (2, "unknown-item")


@pytest.mark.parametrize("time", ["yesterday", "2018-02-30", "2018-01-01T10", "1", ""])
def test_a_time_in_another_form_is_refused(program: Program, imported: Path, time: str) -> None:
    ran = program("history", "old/7", "--dir", imported, "--at-time", time, "--json")

    assert (ran.code, ran.error["code"]) == (2, "malformed")


def test_two_moments_at_once_are_refused(program: Program, imported: Path) -> None:
    moments = ("--at-index", 9, "--at-time", "2018-01-05")

    ran = program("history", "old/7", "--dir", imported, *moments, "--json")

    assert (ran.code, ran.error["code"]) == (2, "usage")


@pytest.mark.parametrize("item", ["old", "old/", "OLD/7", "old/a/b", "old/..", "old/\u202e"])
def test_what_is_no_item_is_refused(program: Program, imported: Path, item: str) -> None:
    ran = program("history", item, "--dir", imported, "--json")

    assert (ran.code, ran.error["code"]) == (2, "malformed")


def test_people_see_a_table_with_gaps_and_whole_prices(program: Program, imported: Path) -> None:
    ran = program("history", "old/7", "--dir", imported)

    assert ran.code == 0
    assert "31 ETH" in ran.out
    assert "GAP" in ran.out
    assert "attested by importer" in ran.out
    assert "2 provenance gaps" in ran.out


def test_a_provenance_shows_owners_and_what_is_not_known(program: Program, imported: Path) -> None:
    document = program.json("provenance", "old/7", "--dir", imported)

    rows = history(program, imported)["history"]
    assert [each["owner"] for each in document["owners"]] == [each["to"] for each in rows]
    assert (document["flag"], document["made"]["attested"]) == ("unknown-before-import", True)
    ran = program("provenance", "old/7", "--dir", imported)
    assert ran.code == 0
    assert "unknown-before-import; held by " in ran.out


def test_no_provenance_is_invented_for_an_item_that_nobody_knows(
    program: Program, imported: Path
) -> None:
    ran = program("provenance", "old/none", "--dir", imported, "--json")
    beyond = program("provenance", "old/7", "--dir", imported, "--at-index", 10**6, "--json")

    assert (ran.code, ran.error["code"]) == (2, "unknown-item")
    assert (beyond.code, beyond.error["code"]) == (2, "entry-not-found")
