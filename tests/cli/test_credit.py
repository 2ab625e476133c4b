"""`yinzheng credit`: given, taken back, redeemed, and never below nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.buying import make_shop
from tests.cli.running import Program

WHY = ("--as", "kay", "--reason", "for trying it first")


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    return make_shop(program, tmp_path / "ledger")


def told(program: Program, ledger: Path, *more: object) -> dict[str, Any]:
    return program.json("credit", *more, "--dir", ledger)


def units(amount: int, unit: str) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": unit}]


def test_credit_is_given_redeemed_and_taken_back(program: Program, ledger: Path) -> None:
    assert told(program, ledger, "show", "ann")["held"] == []
    given = told(program, ledger, "grant", "ann", "500", "--source", "campaign", *WHY)
    assert (given["held"], given["owed"]) == (units(500, "CREDIT"), [])
    used = told(program, ledger, "redeem", "ann", "200", "--service", "coupon")
    assert used["held"] == units(300, "CREDIT")
    back = told(program, ledger, "claw-back", "ann", "400", "--ground", "fraud", *WHY)
    assert (back["held"], back["owed"]) == ([], units(100, "CREDIT"))
    points = ("--source", "correction", "--unit", "POINTS", *WHY)
    both = told(program, ledger, "grant", "ann", "7", *points)
    assert (both["held"], both["owed"]) == (units(7, "POINTS"), units(100, "CREDIT"))
    assert told(program, ledger, "show", "ann") == both
    ran = program("credit", "show", "ann", "--dir", ledger)
    assert (ran.code, "7 POINTS" in ran.out) == (0, True)
    assert b"for trying it first" not in (ledger / "ledger.sqlite").read_bytes()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("redeem", "ann", "1", "--service", "coupon"), "credit-too-low"),
        (("grant", "kay", "1", "--source", "campaign", *WHY), "wrong-signers"),
        (("grant", "ann", "0", "--source", "campaign", *WHY), "malformed"),
        (("grant", "ann", "1", "--source", "campaign", "--unit", "CNY", *WHY), "malformed"),
        (("grant", "nobody", "1", "--source", "campaign", *WHY), "unknown-party"),
        (("show", "nobody"), "unknown-party"),
    ],
)
def test_what_is_refused_changes_nothing(
    program: Program, ledger: Path, more: tuple[str, ...], code: str
) -> None:
    ran = program("credit", *more, "--dir", ledger, "--json")
    assert ran.error["code"] == code
    assert told(program, ledger, "show", "ann")["held"] == []
