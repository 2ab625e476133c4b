"""`yinzheng payments chargeback`: received by line, won or lost by its number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.buying import PRICE, make_shop, on, placed
from tests.cli.running import Program

WHO = ("--as", "kay", "--provider", "alipay", "--transaction", "CB-2026-1")


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    return make_shop(program, tmp_path / "ledger")


def charge(program: Program, ledger: Path, *more: object) -> dict[str, Any]:
    return program.json("payments", "chargeback", *more, "--dir", ledger, *WHO)


def test_what_a_provider_takes_is_owed_and_given_back(program: Program, ledger: Path) -> None:
    order = placed(program, ledger)["order"]
    on(program, ledger, "pay", order, "--as", "ann")
    told = charge(program, ledger, order, "received", "--line", f"1={PRICE}")
    assert (told["lines"][0]["state"], told["lines"][0]["charged_back"]) == (
        "charged-back",
        str(PRICE),
    )
    case = told["case"]
    (known,) = told["chargebacks"]
    lines = [{"amount": str(PRICE), "line": 1}]
    assert known == {"case": case, "lines": lines, "open": True, "provider": "alipay"}

    won = charge(program, ledger, order, "won", "--case", case)
    assert (won["lines"][0]["state"], won["chargebacks"][0]["open"]) == ("held", False)
    on(program, ledger, "deliver")
    on(program, ledger, "accept", order, "--as", "ann")
    charge(program, ledger, order, "received", "--line", "1=100")
    ran = program("trial-balance", "--dir", ledger)
    assert (ran.code, "receivable/shop" in ran.out) == (0, True)
    assert b"CB-2026-1" not in (ledger / "ledger.sqlite").read_bytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("stolen",), "is no stage"),
        (("received",), "received goes with --line"),
        (("won", "--line", "1=5"), "received goes with --line"),
        (("lost",), "received goes with --line"),
        (("received", "--line", "1=0"), "is not N=AMOUNT"),
        (("received", "--line", "all"), "is not N=AMOUNT"),
    ],
)
def test_what_is_not_in_form_is_said_before_anything_is_sent(
    program: Program, ledger: Path, more: tuple[str, ...], said: str
) -> None:
    ran = program("payments", "chargeback", ledger.name, *more, "--dir", ledger, *WHO, "--json")
    assert ran.code == 2
    assert said in ran.error["message"]


def test_a_chargeback_that_is_typed_again_after_a_lost_answer_takes_once(
    program: Program, ledger: Path
) -> None:
    order = placed(program, ledger)["order"]
    on(program, ledger, "pay", order, "--as", "ann")
    taken = ("payments", "chargeback", order, "received", "--line", "1=100", "--dir", ledger)
    case = program.json(*taken, *WHO)["case"]

    again = program(*taken, *WHO, "--json")
    other = program.json(*taken, *WHO[:-1], "CB-2026-2")

    assert (again.code, again.error["code"], again.error["case"]) == (2, "chargeback-exists", case)
    assert "CB-2026-1" not in again.out + again.err
    assert (len(other["chargebacks"]), other["lines"][0]["charged_back"]) == (2, "200")
