"""`yinzheng init`: what it makes, and what it leaves alone."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from tests.cli.running import Program, row, table

KEYS = ("checkpoint", "operator", "receipt", "system")
PASSWORD = "correct-horse"  # noqa: S105 - of a server that is not there


def mark_of(program: Program, origin: str) -> Path:
    """The folder outside the ledger that remembers its origin and what was signed."""
    state = Path(program.env["XDG_STATE_HOME"])
    return state / "yinzheng" / hashlib.sha256(origin.encode()).hexdigest()


def test_the_mark_of_the_origin_lies_outside_the_folder(program: Program, ledger: Path) -> None:
    origin = str(program.json("status", "--dir", ledger)["origin"])

    assert (mark_of(program, origin) / "mark").read_text().startswith("5 ")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_makes_keys_that_only_their_owner_reads_and_prints_none(
    program: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "new"

    ran = program("init", "--dir", folder)

    assert ran.code == 0
    assert sorted(path.stem for path in (folder / "keys").glob("*.pem")) == list(KEYS)
    assert {mode(folder / "keys" / f"{name}.pem") for name in KEYS} == {0o600}
    assert mode(folder / "keys") == 0o700
    for name in KEYS:
        secret = (folder / "keys" / f"{name}.pem").read_text().splitlines()[1]
        assert secret not in ran.out + ran.err


def test_init_tells_the_origin_and_the_verifier_key(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "new"

    made = program.json("init", "--dir", folder)

    name, _, random = str(made["origin"]).partition("/")
    assert (name, len(random)) == ("yinzheng.local", 16)
    assert set(random) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert made["vkey"] == (folder / "vkey").read_text().strip()
    assert made["size"] == 5
    assert program.json("status", "--dir", folder)["published"] == 5
    assert program.json("audit", "--dir", folder)["verdict"] == "valid"


def test_a_folder_with_a_ledger_is_left_alone(program: Program, ledger: Path) -> None:
    before = {path: path.read_bytes() for path in ledger.rglob("*.pem")}

    ran = program("init", "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (2, "ledger-exists")
    assert {path: path.read_bytes() for path in ledger.rglob("*.pem")} == before


def test_an_origin_is_used_once_on_a_machine_even_after_its_folder_is_gone(
    program: Program, tmp_path: Path
) -> None:
    program.json("init", "--dir", tmp_path / "one", "--origin", "once.example/log")

    ran = program("init", "--dir", tmp_path / "two", "--origin", "once.example/log", "--json")

    assert (ran.code, ran.error["code"]) == (2, "ledger-exists")
    assert ran.error["origin"] == "once.example/log"
    assert not (tmp_path / "two" / "config.json").exists()


@pytest.mark.parametrize("origin", ["", "Über.example", "a b", "x" * 200, "a/../b/"])
def test_an_origin_in_another_form_is_refused(
    program: Program, tmp_path: Path, origin: str
) -> None:
    ran = program("init", "--dir", tmp_path / "new", "--origin", origin, "--json")

    assert (ran.code, ran.error["code"]) == (2, "malformed")
    assert not (tmp_path / "new").exists()


def test_an_init_that_was_killed_half_way_is_taken_up_again(
    program: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    first = program.json("init", "--dir", folder)
    # As if the process had died between writing the configuration and entry 0.
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    (folder / "vkey").unlink()
    (folder / "keys" / "receipt.pem").unlink()
    (mark_of(program, str(first["origin"])) / "mark").unlink()

    again = program.json("init", "--dir", folder)

    assert (again["origin"], again["vkey"]) == (first["origin"], first["vkey"])
    assert program.json("audit", "--dir", folder)["verdict"] == "valid"


def test_a_database_that_is_down_is_told_apart_and_its_password_is_nowhere(
    program: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    url = f"postgresql://me:{PASSWORD}@127.0.0.1:9/ledger"

    ran = program("init", "--dir", folder, "--database", url, "--json")

    assert (ran.code, ran.error["code"]) == (69, "database-unavailable")
    assert PASSWORD not in ran.out + ran.err
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_ledger_on_postgresql_keeps_its_url_to_itself(
    program: Program, tmp_path: Path, postgres_url: str
) -> None:
    folder = tmp_path / "new"
    url = postgres_url.replace("postgresql+psycopg://", "postgresql://")

    program.json("init", "--dir", folder, "--database", url)

    secret = folder / "keys" / "database.url"
    assert (secret.read_text().strip(), mode(secret)) == (url, 0o600)
    assert url not in (folder / "config.json").read_text()
    assert program.json("status", "--dir", folder)["database"] == "postgresql"
    sales = table(tmp_path / "old.csv", [row(1, 7, 1, 2), row(2, 7, 3, 4, day=2)])
    assert program.json("import-sales", sales, "--dir", folder)["gaps"] == 1
    assert program.json("history", "old/7", "--dir", folder)["gaps"] == 1
    document = program.json("audit", "--dir", folder)
    assert (document["verdict"], document["derived"], document["gaps"]) == ("valid", "yes", 1)


def test_a_folder_that_cannot_be_made_is_told(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    ran = program("init", "--dir", tmp_path / "file" / "ledger", "--json")

    assert (ran.code, ran.error["code"]) == (2, "file-error")


def test_a_sqlite_file_needs_its_folder(program: Program, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'ledger.sqlite'}"

    ran = program("init", "--dir", tmp_path / "new", "--database", url, "--json")

    assert (ran.code, ran.error["code"]) == (2, "ledger-not-open")
    assert ran.error["folder"] == str(tmp_path / "missing")


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "", "sqlite://", "sqlite:///"])
def test_a_database_of_another_kind_is_refused(program: Program, tmp_path: Path, url: str) -> None:
    ran = program("init", "--dir", tmp_path / "new", "--database", url, "--json")

    assert (ran.code, ran.error["code"]) == (2, "malformed")
    assert not (tmp_path / "new").exists()
