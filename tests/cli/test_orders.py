"""`yinzheng order`: from a free card to its key, and what comes in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.buying import KEYS, LISTING, NEVER, PRICE, make_shop, on, placed
from tests.cli.running import Program, Ran


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """A folder with three cards for sale, a buyer who can pay for two, and another member."""
    return make_shop(program, tmp_path / "ledger")


def refused(ran: Ran) -> tuple[int, str]:
    for key in KEYS:
        assert key not in ran.out + ran.err
    return ran.code, ran.error["code"]


def test_a_member_buys_a_card_and_sees_its_key(program: Program, ledger: Path) -> None:
    order = placed(program, ledger, "--count", 2)
    number = order["order"]
    assert (order["state"], order["total"], len(order["lines"])) == ("unpaid", str(2 * PRICE), 2)
    paid = on(program, ledger, "pay", number, "--as", "ann")
    assert [line["state"] for line in paid["lines"]] == ["held", "held"]
    assert on(program, ledger, "deliver")["delivered"] == 1

    items = [line["item"] for line in order["lines"]]
    shown = [on(program, ledger, "reveal", item, "--as", "ann") for item in items]
    assert {each["key"] for each in shown} < set(KEYS)
    assert len({each["key"] for each in shown}) == 2
    # The log says so once; it is shown as often as its owner wants.
    again = on(program, ledger, "reveal", items[0], "--as", "ann")
    assert again == shown[0]

    accepted = on(program, ledger, "accept", number, "--as", "ann")
    assert [line["state"] for line in accepted["lines"]] == ["released", "released"]
    assert on(program, ledger, "show", number) == accepted
    (listed,) = on(program, ledger, "list", "ann")["orders"]
    total = {"amount": str(2 * PRICE), "currency": "CNY"}
    assert listed == {"order": number, "state": "paid", "lines": 2, "total": total}


def test_single_lines_are_accepted_and_a_person_reads_a_table(
    program: Program, ledger: Path
) -> None:
    number = placed(program, ledger, "--count", 2)["order"]
    on(program, ledger, "pay", number, "--as", "ann")
    on(program, ledger, "deliver")
    ran = program("order", "accept", number, "--dir", ledger, "--as", "ann", "--line", 2)

    assert ran.code == 0
    assert "released" in ran.out
    assert "order-inspected at " in ran.out
    lines = on(program, ledger, "show", number)["lines"]
    assert [line["state"] for line in lines] == ["held", "released"]


def test_what_is_not_there_is_not_sold(program: Program, ledger: Path) -> None:
    placed(program, ledger, "--count", 2)
    more = ("--dir", ledger, "--as", "bob", "--json")

    ran = program("order", "place", LISTING, *more, "--count", 2)
    assert refused(ran) == (2, "out-of-stock")
    assert ran.error["free"] == 1
    assert refused(program("order", "place", "shop-cards/none", *more))[1] == "unknown-listing"


def test_nobody_pays_or_accepts_for_another_or_more_than_there_is(
    program: Program, ledger: Path
) -> None:
    mine = placed(program, ledger)["order"]
    theirs = placed(program, ledger, buyer="bob")["order"]

    def said(*arguments: object) -> str:
        return refused(program("order", *arguments, "--dir", ledger, "--json"))[1]

    assert said("pay", theirs, "--as", "ann") == "not-buyer"
    assert said("pay", theirs, "--as", "bob") == "balance-too-low"
    assert said("accept", mine, "--as", "ann") == "line-not-held"
    assert said("pay", NEVER, "--as", "ann") == "unknown-order"
    assert said("show", NEVER) == "unknown-order"
    assert said("pay", "x", "--as", "ann") == "malformed"


def test_a_card_is_shown_to_its_owner_alone_and_after_it_was_sold(
    program: Program, ledger: Path
) -> None:
    order = placed(program, ledger)
    item = order["lines"][0]["item"]

    def said(name: str, party: str) -> str:
        ran = program("order", "reveal", name, "--dir", ledger, "--as", party, "--json")
        return refused(ran)[1]

    assert said(item, "ann") == "card-not-sold"
    on(program, ledger, "pay", order["order"], "--as", "ann")
    on(program, ledger, "deliver")
    assert said(item, "bob") == "not-owner"
    assert said(item, "shop") == "not-owner"
    assert said("shop-cards/none", "ann") == "unknown-item"


def test_a_buyer_records_that_a_card_failed_and_then_worked(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    order = placed(program, ledger)
    item, account = order["lines"][0]["item"], tmp_path / "account"
    account.write_text("ann-1990\n", encoding="utf-8")

    def tried(*arguments: object, by: str = "ann") -> Ran:
        options = ("--dir", ledger, "--as", by, "--platform", "steam", "--json")
        return program("order", "activate", *arguments, *options)

    def told(ran: Ran) -> dict[str, Any]:
        assert ran.code == 0, ran.err
        found: dict[str, Any] = json.loads(ran.out)
        return found

    assert refused(tried(item, "success"))[1] == "item-not-sold"
    on(program, ledger, "pay", order["order"], "--as", "ann")
    on(program, ledger, "deliver")
    assert refused(tried(item, "success", by="bob"))[1] == "not-buyer"
    assert refused(tried("shop-cards/none", "success"))[1] == "unknown-item"
    assert refused(tried(item, "success", "--account", "@nowhere"))[1] == "file-not-readable"

    failed = told(tried(item, "failure", "--error", "E17", "--account", f"@{account}"))
    assert (failed["order"], failed["outcome"], failed["late"]) == (
        order["order"],
        "failure",
        False,
    )
    assert told(tried(item, "success", by="system"))["outcome"] == "success"
    assert refused(tried(item, "success"))[1] == "activated-already"
    ran = program("history", item, "--dir", ledger)
    assert "activation" in ran.out
    assert "failure" in ran.out
