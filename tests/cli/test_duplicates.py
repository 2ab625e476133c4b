"""Card keys found twice, on the command line: reported once, and shown wherever somebody looks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from api.duplicates import report_doubles
from api.folder import LedgerFolder
from ledger.registry import Double
from ledger.rules.trade_errors import ItemNotSold
from tests.cards.selling import PRODUCT
from tests.cli.buying import KEYS, make_shop, on, placed
from tests.cli.running import Program
from tests.cli.test_cards import keys_file

RIVAL = ("--merchant", "rival", "--product", PRODUCT, "--class", "game-card")


@pytest.fixture
def ledger(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a shop, which this process may write to as well."""
    monkeypatch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
    return make_shop(program, tmp_path / "ledger")


def sold(program: Program, ledger: Path) -> tuple[str, str]:
    """Let ann buy a card; return its item and the order."""
    order = placed(program, ledger)
    on(program, ledger, "pay", order["order"], "--as", "ann")
    on(program, ledger, "deliver")
    return order["lines"][0]["item"], order["order"]


def registered_again(program: Program, ledger: Path, tmp_path: Path) -> list[str]:
    """Forget what the index knows, and register all keys once more: by another merchant."""
    with closing(sqlite3.connect(ledger / "vault" / "index.sqlite")) as index:
        index.execute("DELETE FROM fingerprint")
        index.commit()
    file = keys_file(tmp_path / "again.csv", KEYS)
    told = program.json("cards", "upload", file, "--dir", ledger, *RIVAL)
    assert told["accepted"] == len(KEYS)
    with LedgerFolder.open(ledger, read_only=True) as house:
        rows = house.recorder.entries_of_type("card-registered/1", 0, limit=100)
    return [row.stream[5:] for row in rows][-len(KEYS) :]


def by_item(found: list[dict[str, Any]]) -> dict[str, str | None]:
    """Every item of these reports, and the order that sold it."""
    told = {each["item"]: each["order"] for each in found}
    return told | {each["other"]: each["other_order"] for each in found}


def test_a_key_that_was_sold_and_registered_again_flags_both_items_and_the_order(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    item, order = sold(program, ledger)
    twins = registered_again(program, ledger, tmp_path)

    doubles = program.json("cards", "reindex", "--dir", ledger)["doubles"]

    assert len(doubles) == len(KEYS)
    assert {each["alert"] for each in doubles} != {None}
    told = by_item(doubles)
    assert told[item] == order
    assert set(twins) < set(told)
    assert {told[twin] for twin in twins} == {None}
    (line,) = on(program, ledger, "show", order)["lines"]
    (alert,) = [each["alert"] for each in doubles if order in each.values()]
    assert line["flagged"] == alert
    shown = program("order", "show", order, "--dir", ledger).out
    assert f"line 1: its card key is another item's too (alert {alert})" in shown
    for name in (item, twins[0]):
        known = program.json("provenance", name, "--dir", ledger)
        assert (known["flag"], known["flags"]) == ("disputed", ["disputed"])
    assert "key found twice" in program("history", item, "--dir", ledger).out
    refused = program("order", "place", "shop-cards/gift", "--as", "ann", "--dir", ledger, "--json")
    assert refused.code == 2
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"


def test_what_was_reported_is_not_reported_again_and_stays_listed_for_staff(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    registered_again(program, ledger, tmp_path)
    first = program.json("cards", "reindex", "--dir", ledger)["doubles"]
    size = program.json("status", "--dir", ledger)["size"]

    second = program.json("cards", "repepper", "--dir", ledger)["doubles"]
    third = program.json("cards", "reindex", "--dir", ledger)["doubles"]
    listed = program.json("cards", "sightings", "--dir", ledger)["doubles"]

    assert second == third == first
    assert [{name: each[name] for name in first[0]} for each in listed] == first
    assert program.json("status", "--dir", ledger)["size"] == size


def test_staff_see_whether_a_key_that_was_tried_had_been_sold(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    item, order = sold(program, ledger)
    file = keys_file(tmp_path / "tried.csv", KEYS)
    assert program.json("cards", "upload", file, "--dir", ledger, *RIVAL)["rejected"] == 3

    seen = program.json("cards", "sightings", "--dir", ledger)

    told = {each["other_stream"]: each["other_order"] for each in seen["sightings"]}
    assert (len(told), told.pop(f"item/{item}")) == (3, order)
    assert set(told.values()) == {None}
    assert seen["doubles"] == []
    # Nothing of it stands in the log.
    assert on(program, ledger, "show", order)["lines"][0]["flagged"] is None


def test_a_report_that_finds_another_sale_than_it_read_reads_again(
    program: Program, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, order = sold(program, ledger)
    (twin, *_) = registered_again(program, ledger, tmp_path)
    said = {item: iter([None, order]), twin: iter([None, None])}
    monkeypatch.setattr("api.duplicates.sold_by", lambda _house, name: next(said[name]))
    with LedgerFolder.open(ledger) as house:
        (report,) = report_doubles(house, [Double(item, twin), Double(twin, item)])

    assert report.cards == tuple(sorted({item: order, twin: None}.items()))


def test_a_report_that_never_fits_what_was_sold_is_refused(
    program: Program, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, _ = sold(program, ledger)
    (twin, *_) = registered_again(program, ledger, tmp_path)
    monkeypatch.setattr("api.duplicates.sold_by", lambda *_: None)
    with LedgerFolder.open(ledger) as house, pytest.raises(ItemNotSold):
        report_doubles(house, [Double(item, twin)])


def test_what_is_paid_and_found_twice_is_not_delivered_and_the_rest_is(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    ordered = [placed(program, ledger) for _ in range(2)]
    for each in ordered:
        on(program, ledger, "pay", each["order"], "--as", "ann")
    items = [each["lines"][0]["item"] for each in ordered]
    with LedgerFolder.open(ledger) as house:
        (spare, *_) = registered_again(program, ledger, tmp_path)
        report_doubles(house, [Double(items[0], spare)])

    told = on(program, ledger, "deliver")

    assert told["delivered"] == 1
    shown = [on(program, ledger, "show", each["order"])["lines"][0] for each in ordered]
    assert [each["delivered"] for each in shown] == [False, True]
    assert on(program, ledger, "deliver")["delivered"] == 0
