"""`yinzheng deposit`: agreed, funded, asked back, and kept until nothing stands against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.folder import LedgerFolder
from ledger.clock import SystemClock
from tests.cli.buying import make_shop, top_up
from tests.cli.running import Program

MONEY = {"currency": "CNY"}


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """A shop that has 5,000 on its balance."""
    folder = make_shop(program, tmp_path / "ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
        with LedgerFolder.open(folder, clock=SystemClock()) as house:
            top_up(house, "shop", 5_000)
    return folder


def told(program: Program, ledger: Path, what: str, *more: object) -> dict[str, Any]:
    return program.json("deposit", what, "shop", *more, "--dir", ledger)


def refused(program: Program, ledger: Path, what: str, *more: object) -> tuple[int, str]:
    ran = program("deposit", what, *more, "--dir", ledger, "--json")
    return ran.code, ran.error["code"]


def money(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": "CNY"}] if amount else []


def test_a_merchant_agrees_funds_asks_and_waits(program: Program, ledger: Path) -> None:
    assert refused(program, ledger, "fund", "shop", "5") == (2, "deposit-not-agreed")
    agreed = told(program, ledger, "agree")
    assert agreed["agreed"]["cool_down_s"] > 0
    assert refused(program, ledger, "agree", "shop") == (2, "deposit-agreed")

    assert told(program, ledger, "fund", "3000")["available"] == money(3_000)
    assert refused(program, ledger, "fund", "shop", "2001") == (2, "balance-too-low")
    asked = told(program, ledger, "request", "400")
    assert (asked["available"], asked["reserved"]) == (money(2_600), money(400))
    assert asked["requested_at"] < asked["due"]
    assert refused(program, ledger, "request", "shop", "1") == (2, "withdrawal-requested")
    assert refused(program, ledger, "withdraw", "shop") == (2, "withdrawal-blocked")

    again = told(program, ledger, "request", "--cancel")
    assert (again["available"], again["reserved"], again["due"]) == (money(3_000), [], None)
    assert refused(program, ledger, "withdraw", "shop") == (2, "withdrawal-not-requested")
    assert told(program, ledger, "show") == again
    ran = program("deposit", "show", "shop", "--dir", ledger)
    assert (ran.code, "3000 CNY" in ran.out) == (0, True)


@pytest.mark.parametrize(
    "more",
    [
        ("request", "shop"),
        ("request", "shop", "5", "--cancel"),
        ("fund", "shop", "1.5"),
        ("fund", "shop", "5", "--currency", "yuan"),
    ],
)
def test_what_is_not_in_form_is_said_before_anything_is_sent(
    program: Program, ledger: Path, more: tuple[str, ...]
) -> None:
    ran = program("deposit", *more, "--dir", ledger, "--json")
    assert ran.code == 2
    assert told(program, ledger, "show")["head_index"] is None


def test_who_is_no_merchant_has_no_deposit(program: Program, ledger: Path) -> None:
    assert refused(program, ledger, "agree", "bob") == (2, "unknown-merchant")
