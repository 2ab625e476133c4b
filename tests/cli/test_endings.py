"""How commands end: exit codes, one JSON line, errors that say what was kept and what to do."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.running import Program, row, table

COMMANDS = (
    *("audit", "demo", "doctor", "export", "history", "import-sales", "init", "migrate", "prove"),
    *("backup", "rebuild", "restore", "serve", "status", "verify"),
    *("keys new", "keys show", "keys list", "keys party", "keys register", "keys add"),
    *("keys revoke", "keys object", "keys complete", "keys grant", "keys withdraw"),
    *("item namespace", "item register", "item transfer", "item offer", "item accept"),
    *("item refuse", "item withdraw", "item freeze", "item unfreeze"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(program: Program, command: str) -> None:
    ran = program(*command.split(), "--help")

    assert ran.code == 0
    assert "--json" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("status",),
        ("status", "--dir"),
        ("status", "--bogus"),
        ("history", "a/b", "--dir", "x", "--at-index", "-1"),
        ("history", "a/b", "--dir", "x", "--at-index", "1.5"),
        ("audit",),
        ("audit", "--dir", "x", "--url", "http://127.0.0.1:9"),
        ("audit", "--dir", "x", "--processes", "0"),
        ("serve", "--dir", "x", "--port", "70000"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(program: Program, arguments: tuple[str, ...]) -> None:
    ran = program(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err


@pytest.mark.parametrize("arguments", [(), ("keys",), ("item",)])
def test_without_a_command_the_help_is_shown_and_nothing_is_done(
    program: Program, arguments: tuple[str, ...]
) -> None:
    ran = program(*arguments)

    assert ran.code == 2
    assert "Usage: yinzheng" in ran.out


def test_an_error_is_one_line_of_json_that_says_what_to_do(
    program: Program, tmp_path: Path
) -> None:
    ran = program("status", "--dir", tmp_path / "nowhere", "--json")

    assert ran.code == 2
    assert ran.err == ""
    assert ran.error["code"] == "ledger-not-open"
    assert ran.error["exit"] == 2
    assert ran.error["folder"] == str(tmp_path / "nowhere")
    assert set(ran.error) >= {"message", "kept", "do"}


def test_an_error_tells_people_what_was_kept_and_what_to_do(
    program: Program, tmp_path: Path
) -> None:
    ran = program("status", "--dir", tmp_path / "nowhere")

    assert (ran.code, ran.out) == (2, "")
    assert "kept: " in ran.err
    assert "next: " in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"origin": 1}', '{"schema": 2}', "\xff"])
def test_a_configuration_that_cannot_be_read_is_told(
    program: Program, ledger: Path, text: str
) -> None:
    (ledger / "config.json").write_text(text, encoding="latin-1")

    ran = program("status", "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "ledger-not-open")


def test_a_key_that_others_can_read_is_not_used(program: Program, ledger: Path) -> None:
    (ledger / "keys" / "receipt.pem").chmod(0o644)

    ran = program("keys", "register", "somebody", "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "key-file-invalid")


def test_a_newer_schema_is_refused_and_never_rewritten(program: Program, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger / "ledger.sqlite")) as link:
        link.execute("UPDATE alembic_version SET version_num = '9999'")
        link.commit()

    for command in ("migrate", "status", "rebuild"):
        ran = program(command, "--dir", ledger, "--json")
        assert (ran.code, ran.error["code"]) == (2, "schema-too-new")

    with closing(sqlite3.connect(ledger / "ledger.sqlite")) as link:
        assert link.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_migrating_what_is_up_to_date_changes_nothing(program: Program, ledger: Path) -> None:
    before = (ledger / "ledger.sqlite").read_bytes()

    program.json("migrate", "--dir", ledger)

    assert (ledger / "ledger.sqlite").read_bytes() == before


def test_an_interrupted_import_ends_with_130_and_can_be_run_again(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    file = table(tmp_path / "long.csv", [row(each, each, 1, 2) for each in range(40_000)])
    running = program.start("import-sales", file, "--dir", ledger, "--json")
    try:
        wait_until_begun(program, ledger)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=120)
    finally:
        running.kill()

    assert running.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"


def wait_until_begun(program: Program, ledger: Path) -> None:
    """Wait until a first batch of the import is in the log."""
    for _ in range(100):
        if program.json("status", "--dir", ledger)["size"] > 500:
            return
    pytest.fail("the import never began")
