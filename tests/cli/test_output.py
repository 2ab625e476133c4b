"""What is shown to people is shown letter by letter, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.output import Output, plain
from tests.cli import buying
from tests.cli.running import Program


def test_a_card_key_is_printed_letter_by_letter(capsys: pytest.CaptureFixture[str]) -> None:
    key = "A:key:B[bold]C[/bold][/]" + "7" * 200

    Output(as_json=False).result({}, plain({"key": key}))

    assert capsys.readouterr().out == f"key  {key}\n"


def test_a_long_card_key_of_an_order_is_shown_whole(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "A:key:B[/]" + "".join(f"-{number:04}" for number in range(60))
    monkeypatch.setattr(buying, "KEYS", (key,))
    ledger = buying.make_shop(program, tmp_path / "ledger")
    number = buying.placed(program, ledger)["order"]
    buying.on(program, ledger, "pay", number, "--as", "ann")
    buying.on(program, ledger, "deliver")

    shown = program("order", "open", number, "--as", "ann", "--dir", ledger)

    assert shown.code == 0, shown
    cells = [line.split("│")[-2].strip() for line in shown.out.splitlines() if "│" in line]
    assert "".join(cells) == key
