"""audit, prove, verify and export: verdicts and their exit codes."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.running import Program, row, table


@pytest.fixture
def copied(imported: Path, tmp_path: Path) -> Path:
    """A copy of the imported ledger, to be spoilt."""
    return shutil.copytree(imported, tmp_path / "copy")


def spoil(folder: Path, *statements: str) -> None:
    """Change a ledger's database behind its back: its triggers are dropped first."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as link:
        names = link.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            link.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            link.execute(statement)
        link.commit()


def test_a_sound_ledger_is_valid_in_every_respect(program: Program, imported: Path) -> None:
    document = program.json("audit", "--dir", imported)

    assert document["schema"] == 1
    assert document["verdict"] == "valid"
    assert (document["derived"], document["keys_complete"]) == ("yes", "yes")
    assert document["unpublished"] == 0
    assert document["fault"] is None


def test_an_audit_changes_nothing(program: Program, imported: Path) -> None:
    before = (imported / "ledger.sqlite").read_bytes()

    program.json("audit", "--dir", imported)

    assert (imported / "ledger.sqlite").read_bytes() == before


def test_one_changed_byte_is_tampered_and_the_entry_is_named(
    program: Program, copied: Path
) -> None:
    # A letter of a seller: the JSON stays canonical.
    change = "REPLACE(CAST(entry AS TEXT), '0x0000', '0x1000')"
    spoil(copied, f'UPDATE entry SET entry = CAST({change} AS BLOB) WHERE "index" = 9')

    ran = program("audit", "--dir", copied, "--json")

    assert (ran.code, ran.document["verdict"]) == (1, "tampered")
    assert ran.document["fault"]["index"] == 9


def test_an_edited_view_is_tampered_and_said_to_be_derived(program: Program, copied: Path) -> None:
    spoil(copied, "UPDATE view_ownership SET owner = 'thief'")

    ran = program("audit", "--dir", copied, "--json")

    assert ran.code == 1
    assert ran.document["fault"]["derived"] is True
    program.json("rebuild", "--dir", copied)
    assert program.json("audit", "--dir", copied)["verdict"] == "valid"


def test_a_cut_tail_is_incomplete_against_a_checkpoint_from_outside(
    program: Program, copied: Path, tmp_path: Path
) -> None:
    program.json("export", "--dir", copied, "-o", tmp_path / "before")
    size = program.json("status", "--dir", copied)["size"]
    spoil(
        copied,
        # The last command: its own entry and two effects.
        f'DELETE FROM entry WHERE "index" >= {size - 3}',
        f"DELETE FROM checkpoint WHERE size = {size}",
    )

    kept = tmp_path / "before" / "checkpoint"
    ran = program("audit", "--dir", copied, "--since", kept, "--json")

    assert (ran.code, ran.document["verdict"]) == (3, "incomplete")


def test_with_an_earlier_checkpoint_the_audit_is_anchored(
    program: Program, copied: Path, tmp_path: Path
) -> None:
    program.json("export", "--dir", copied, "-o", tmp_path / "before")
    more = table(tmp_path / "old.csv", [row(6, 9, 1, 2)])
    program.json("import-sales", more, "--dir", copied)

    kept = tmp_path / "before" / "checkpoint"
    document = program.json("audit", "--dir", copied, "--since", kept, "--processes", 2)

    assert (document["verdict"], document["anchored"]) == ("valid", "yes")


def test_an_export_is_audited_like_the_ledger_and_needs_a_key(
    program: Program, imported: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    size = program.json("export", "--dir", imported, "-o", folder)["size"]

    ran = program("audit", "--dir", folder, "--json")
    document = program.json("audit", "--dir", folder, "--vkey", f"@{imported / 'vkey'}")

    assert (ran.code, ran.document["verdict"]) == (4, "unverifiable")
    assert (document["verdict"], document["size"]) == ("valid", size)


def test_a_proof_is_written_and_verified_with_the_key_of_the_caller(
    program: Program, imported: Path, tmp_path: Path
) -> None:
    proof = tmp_path / "item.tlog-proof"
    made = program.json("prove", "old/7", "--dir", imported, "-o", proof)

    vkey = (imported / "vkey").read_text().strip()
    by_file = program.json("verify", proof, "--vkey", f"@{imported / 'vkey'}")
    by_text = program.json("verify", proof, "--vkey", vkey)

    assert made["bytes"] == proof.stat().st_size
    assert by_file == by_text
    assert by_file["verdict"] == "valid"
    assert by_file["gaps"] == 2


def test_a_proof_up_to_an_index_shows_that_state(
    program: Program, imported: Path, tmp_path: Path
) -> None:
    rows = program.json("history", "old/7", "--dir", imported)["history"]
    proof = tmp_path / "item.tlog-proof"
    program.json("prove", "old/7", "--dir", imported, "--index", rows[1]["index"], "-o", proof)

    document = program.json("verify", proof, "--vkey", f"@{imported / 'vkey'}")

    assert (document["owner"], document["gaps"]) == (rows[1]["to"], 0)


def test_a_changed_proof_is_tampered(program: Program, imported: Path, tmp_path: Path) -> None:
    proof = tmp_path / "item.tlog-proof"
    program.json("prove", "old/7", "--dir", imported, "-o", proof)
    lines = proof.read_text().splitlines(keepends=True)
    proof.write_text("".join([lines[0], lines[1].swapcase(), *lines[2:]]))

    ran = program("verify", proof, "--vkey", f"@{imported / 'vkey'}", "--json")

    assert (ran.code, ran.document["verdict"]) == (1, "tampered")


def test_another_logs_key_verifies_nothing(
    program: Program, imported: Path, ledger: Path, tmp_path: Path
) -> None:
    proof = tmp_path / "item.tlog-proof"
    program.json("prove", "old/7", "--dir", imported, "-o", proof)

    for key in (f"@{ledger / 'vkey'}", "no key at all"):
        ran = program("verify", proof, "--vkey", key, "--json")
        assert (ran.code, ran.document["verdict"]) == (4, "unverifiable")
    ran = program("verify", proof, "--json")
    assert (ran.code, ran.document["verdict"]) == (4, "unverifiable")


def test_files_that_are_not_there_are_bad_usage(
    program: Program, imported: Path, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing"

    for arguments in (
        ("verify", nothing, "--vkey", f"@{imported / 'vkey'}"),
        ("audit", "--dir", imported, "--since", nothing),
        ("audit", "--dir", imported, "--vkey", f"@{nothing}"),
        ("audit", "--dir", nothing),
    ):
        ran = program(*arguments, "--json")
        assert ran.code == 2, arguments
        assert ran.error["code"] in {"file-error", "ledger-not-open"}


def test_an_unreachable_server_is_unverifiable(program: Program, imported: Path) -> None:
    key = f"@{imported / 'vkey'}"

    for url in ("http://127.0.0.1:9", "ftp://127.0.0.1", "nonsense"):
        ran = program("audit", "--url", url, "--vkey", key, "--json")
        assert (ran.code, ran.document["verdict"]) == (4, "unverifiable")


def test_an_item_without_entries_has_no_proof(
    program: Program, imported: Path, tmp_path: Path
) -> None:
    ran = program("prove", "old/none", "--dir", imported, "-o", tmp_path / "x", "--json")

    assert (ran.code, ran.error["code"]) == (2, "nothing-to-prove")
    assert not (tmp_path / "x").exists()
