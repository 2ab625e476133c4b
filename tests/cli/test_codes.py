"""`yinzheng codes`: seen by owners, asked about by anybody, revoked for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cards.codes import LENGTH, read_code
from tests.cli.buying import make_shop
from tests.cli.running import Program


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    return make_shop(program, tmp_path / "ledger")


@pytest.fixture
def item(program: Program, ledger: Path) -> str:
    stock = program.json("cards", "upload", _keys(ledger), "--dir", ledger, *UPLOAD)
    return str(stock["first"])


UPLOAD = ("--merchant", "shop", "--product", "steam-100", "--class", "game-card")


def _keys(ledger: Path) -> Path:
    file = ledger.parent / "keys.csv"
    file.write_text("key\nSTEAM-DDDD-0004\n", encoding="utf-8")
    return file


def test_a_code_is_seen_by_the_owner_checked_by_anybody_and_revoked(
    program: Program, ledger: Path, item: str, tmp_path: Path
) -> None:
    on = ("--dir", ledger)
    code = program.json("codes", "show", item, *on, "--as", "shop")["code"]
    assert len(read_code(code)) == LENGTH
    file = tmp_path / "code"
    file.write_text(f"{code}\n", encoding="utf-8")

    asked = ("codes", "check", item, f"@{file}", *on)
    first = program.json(*asked, "--as", "ann")
    assert (first["result"], first["first_at"], first["item"]) == ("valid", None, item)
    again = program.json(*asked, "--as", "shop")
    assert again["result"] == "already_verified"
    assert again["first_at"] is not None
    ran = program(*asked, "--as", "shop")
    assert (ran.code, again["first_at"] in ran.out) == (0, True)

    assert program.json("codes", "revoke", item, *on, "--as", "shop")["item"] == item
    assert program.json(*asked, "--as", "shop")["result"] == "revoked"
    assert program.json(*asked, "--as", "ann")["result"] == "invalid"
    assert program.json("audit", *on)["verdict"] == "valid"
    assert code.encode() not in (ledger / "ledger.sqlite").read_bytes()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("show", "ITEM", "--as", "ann"), "not-authorised"),
        (("revoke", "ITEM", "--as", "ann"), "not-owner"),
        (("check", "ITEM", "@/no/such/file", "--as", "ann"), "file-not-readable"),
        (("check", "ITEM", "SHORT", "--as", "ann"), "malformed"),
        (("check", "ITEM", "A" * 20, "--as", "nobody"), "key-file-invalid"),
        (("check", "no-item", "A" * 20, "--as", "ann"), "malformed"),
    ],
)
def test_what_is_refused_names_its_reason_and_no_code(
    program: Program, ledger: Path, item: str, more: tuple[str, ...], code: str
) -> None:
    words = [item if word == "ITEM" else word for word in more]
    ran = program("codes", *words, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, code)
    assert "SHORT" not in ran.out + ran.err
