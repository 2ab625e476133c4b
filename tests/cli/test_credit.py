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


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"\xff\xfe", "is no text in UTF-8"), (b"y" * 65_537, "has more than 65536 bytes")],
)
def test_a_file_that_holds_no_short_text_is_refused_and_not_quoted(
    program: Program, ledger: Path, tmp_path: Path, data: bytes, told: str
) -> None:
    reason = tmp_path / "reason"
    reason.write_bytes(data)
    why = ("--source", "campaign", "--as", "kay", "--reason", f"@{reason}")

    ran = program("credit", "grant", "ann", "5", *why, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "malformed")
    assert ran.error["message"] == f"{reason}: {told}"
    assert "yyy" not in ran.out + ran.err


def test_a_file_may_begin_with_a_byte_order_mark_and_have_no_end(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    reason = tmp_path / "reason"
    reason.write_bytes(b"\xef\xbb\xbffor trying\r\n")
    how = ("credit", "grant", "ann", "5", "--source", "campaign", "--as", "kay", "--dir", ledger)

    assert program(*how, "--reason", f"@{reason}").code == 0
    assert program(*how, "--reason", "@/dev/zero").code == 2
