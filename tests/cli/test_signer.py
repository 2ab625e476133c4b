"""`yinzheng signer`: the checkpoint key in a process of its own, or in hardware."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Program
from tests.unit.hardware.conftest import PIN, make_token, softhsm_module


def signing(
    program: Program, folder: Path, path: Path
) -> AbstractContextManager[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """Run the signer of a folder; give its one line and its process."""
    return program.serving("signer", "--dir", folder, "--socket", path)


@pytest.fixture
def apart(ledger: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A ledger's folder without the checkpoint key, and the signer's folder with nothing else."""
    signer = tmp_path / "signer"
    (signer / "keys").mkdir(parents=True)
    for name in ("config.json", "vkey"):
        shutil.copy(ledger / name, signer / name)
    shutil.move(ledger / "keys" / "checkpoint.pem", signer / "keys" / "checkpoint.pem")
    return ledger, signer


def published(program: Program, folder: Path) -> tuple[int, int]:
    shown = program.json("status", "--dir", folder)
    return shown["size"], shown["published"]


def mark_of(program: Program, folder: Path) -> Path:
    origin = str(program.json("status", "--dir", folder)["origin"])
    name = sha256(origin.encode()).hexdigest()
    return Path(program.env["XDG_STATE_HOME"]) / "yinzheng" / name / "mark"


def test_a_ledger_publishes_without_its_checkpoint_key(
    program: Program, apart: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, signer = apart
    path = tmp_path / "signer.sock"
    with signing(program, signer, path) as (ready, running):
        assert ready["socket"] == str(path)
        assert ready["pid"] == running.pid
        assert ready["size"] == 5
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

        used = program.json("use-signer", f"unix:{path}", "--dir", folder)
        assert (used["signer"], used["size"]) == (f"unix:{path}", 5)
        program.json("keys", "register", "ann", "--dir", folder)
        assert published(program, folder) == (6, 6)

        second = program("signer", "--dir", signer, "--socket", path, "--json")
        assert (second.code, second.error["code"]) == (2, "address-in-use")

        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
        assert not path.exists()

    gone = program("keys", "register", "bob", "--dir", folder, "--json")
    assert (gone.code, gone.error["code"]) == (69, "signer-unavailable")
    assert gone.error["socket"] == str(path)
    with signing(program, signer, path):
        program.json("keys", "register", "bob", "--dir", folder)
        assert published(program, folder) == (7, 7)
    assert program.json("audit", "--dir", folder)["verdict"] == "valid"
    assert not (folder / "keys" / "checkpoint.pem").exists()


def test_a_killed_signer_goes_on_where_it_was(
    program: Program, apart: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, signer = apart
    path = tmp_path / "signer.sock"
    with signing(program, signer, path) as (_, running):
        program.json("use-signer", f"unix:{path}", "--dir", folder)
        running.kill()
        running.wait(30)
    assert path.is_socket()

    with signing(program, signer, path):
        program.json("keys", "register", "ann", "--dir", folder)

    assert published(program, folder) == (6, 6)


def test_a_ledger_takes_signing_back(
    program: Program, apart: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, signer = apart
    path = tmp_path / "signer.sock"
    with signing(program, signer, path):
        program.json("use-signer", f"unix:{path}", "--dir", folder)
    before = (folder / "config.json").read_bytes()

    without = program("use-signer", "own", "--dir", folder, "--json")
    assert (without.code, without.error["code"]) == (2, "key-file-invalid")
    assert (folder / "config.json").read_bytes() == before

    shutil.copy(signer / "keys" / "checkpoint.pem", folder / "keys" / "checkpoint.pem")
    assert program.json("use-signer", "own", "--dir", folder)["signer"] == "own"
    assert "signer" not in json.loads((folder / "config.json").read_text())
    program.json("keys", "register", "ann", "--dir", folder)
    assert published(program, folder) == (6, 6)


@pytest.mark.parametrize(
    ("address", "code", "exit_code"),
    [
        ("unix:relative.sock", "malformed", 2),
        ("/no/scheme.sock", "malformed", 2),
        (f"unix:/{'x' * 107}", "malformed", 2),
        ("unix:/nowhere/signer.sock", "signer-unavailable", 69),
    ],
)
def test_a_signer_that_cannot_be_reached_is_not_used(
    program: Program, ledger: Path, address: str, code: str, exit_code: int
) -> None:
    before = (ledger / "config.json").read_bytes()

    ran = program("use-signer", address, "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (exit_code, code)
    assert (ledger / "config.json").read_bytes() == before


def test_the_signer_of_another_ledger_is_not_used(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    program.json("init", "--dir", other)
    path = tmp_path / "signer.sock"
    with signing(program, other, path):
        ran = program("use-signer", f"unix:{path}", "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (69, "signer-refused")
    assert ran.error["refusal"] == "another-log"


def test_a_signer_that_signed_more_than_the_database_holds_is_not_used(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older.sqlite"
    shutil.copy(ledger / "ledger.sqlite", older)
    program.json("keys", "register", "ann", "--dir", ledger)
    for left in ledger.glob("ledger.sqlite*"):
        left.unlink()
    shutil.copy(older, ledger / "ledger.sqlite")
    path = tmp_path / "signer.sock"
    with signing(program, ledger, path):
        ran = program("use-signer", f"unix:{path}", "--dir", ledger, "--json")

    assert (ran.code, ran.error["code"]) == (3, "head-behind")
    assert (ran.error["size"], ran.error["published"]) == (5, 6)


def test_a_signer_without_a_mark_does_not_start(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    mark = mark_of(program, ledger)
    mark.unlink()

    ran = program("signer", "--dir", ledger, "--socket", tmp_path / "s.sock", "--json")

    assert (ran.code, ran.error["code"], ran.error["file"]) == (69, "mark-missing", str(mark))


def test_the_mark_of_an_earlier_version_is_taken_over(program: Program, ledger: Path) -> None:
    mark = mark_of(program, ledger)
    older = mark.with_name("signed")
    older.write_text(mark.read_text().splitlines()[0] + "\n")
    mark.unlink()

    program.json("keys", "register", "ann", "--dir", ledger)

    assert published(program, ledger) == (6, 6)
    assert not older.exists()
    assert mark.read_text().startswith("6 ")
    assert len(mark.read_text().splitlines()) == 1 + 2 + 1


# Hardware


@pytest.fixture(scope="module")
def hsm(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The beginning and the end of URIs of a token; its PIN lies in a file."""
    module = softhsm_module()
    folder = tmp_path_factory.mktemp("hsm")
    conf = make_token(folder, "cli")
    (folder / "pin").write_text(PIN)
    (folder / "pin").chmod(0o600)
    program.env["SOFTHSM2_CONF"] = str(conf)
    yield f"pkcs11:token=cli;object=%s?module-path={module}&pin-source=file:{folder / 'pin'}"
    del program.env["SOFTHSM2_CONF"]


def run(program: Program, *arguments: object) -> dict[str, Any]:
    """Run as a process that loads the module itself; a forked one shares it with others."""
    ran = subprocess.run(
        program.command(*arguments, "--json"),
        env=program.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert PIN not in ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_a_ledger_whose_keys_never_were_in_a_file(
    program: Program, hsm: str, tmp_path: Path
) -> None:
    folder, path = tmp_path / "ledger", tmp_path / "signer.sock"
    checkpoint, receipt = hsm % "checkpoint", hsm % "receipt"
    made = run(program, "keys", "hardware", checkpoint, "--make")
    assert made == run(program, "keys", "hardware", checkpoint)
    run(program, "keys", "hardware", receipt, "--make")

    run(program, "init", "--dir", folder, "--checkpoint-key", checkpoint, "--receipt-key", receipt)

    assert sorted(each.name for each in (folder / "keys").iterdir()) == [
        "operator.pem",
        "system.pem",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["hardware"] == {"checkpoint": checkpoint, "receipt": receipt}
    run(program, "keys", "register", "ann", "--dir", folder)
    with signing(program, folder, path):
        run(program, "use-signer", f"unix:{path}", "--dir", folder)
        run(program, "keys", "register", "bob", "--dir", folder)
    shown = run(program, "status", "--dir", folder)
    assert (shown["size"], shown["published"]) == (7, 7)
    assert run(program, "audit", "--dir", folder)["verdict"] == "valid"


def test_the_vaults_keys_are_wrapped_in_the_module(
    program: Program, hsm: str, tmp_path: Path
) -> None:
    folder, uri = tmp_path / "ledger", hsm % "vault"
    made = run(program, "keys", "hardware", uri, "--wrapping", "--make")
    run(program, "init", "--dir", folder, "--vault-key", uri)
    run(program, "keys", "register", "ann", "--dir", folder)
    run(program, "item", "namespace", "cards", "ann", "--dir", folder)
    named = ("--as", "ann", "--class", "other", "--name", "a name")
    run(program, "item", "register", "cards/1", *named, "--dir", folder)

    assert made == {"schema": 1, "alg": "aes-256-gcm", "key": uri}
    assert json.loads((folder / "config.json").read_text())["hardware"] == {"vault": uri}
    assert [each.stat().st_size for each in (folder / "vault").iterdir()] == [62]
    assert run(program, "audit", "--dir", folder)["verdict"] == "valid"
    (key,) = (folder / "vault").iterdir()
    key.write_bytes(bytes(32))
    damaged = run(program, "audit", "--dir", folder)
    assert (damaged["verdict"], damaged["fault"]["step"]) == ("tampered", "vault")
    conf, program.env["SOFTHSM2_CONF"] = program.env["SOFTHSM2_CONF"], str(tmp_path)
    without = run(program, "audit", "--dir", folder)
    program.env["SOFTHSM2_CONF"] = conf
    assert without["error"]["code"] == "hardware-key-unavailable"


def test_without_its_pin_nothing_is_made(program: Program, hsm: str, tmp_path: Path) -> None:
    folder, wrong = tmp_path / "ledger", tmp_path / "pin"
    run(program, "keys", "hardware", hsm % "another", "--make")
    wrong.write_text("0000")
    wrong.chmod(0o600)
    start = (hsm % "another").partition("&")[0]

    for source, reason in (
        (f"file:{wrong}", "the module reports PinIncorrect"),
        (f"file:{tmp_path / 'none'}", f"the file {tmp_path / 'none'} with the PIN cannot be read"),
        ("env:NOT_SET", "the variable NOT_SET with the PIN is not set"),
    ):
        uri = f"{start}&pin-source={source}"
        error = run(program, "init", "--dir", folder, "--checkpoint-key", uri)["error"]
        assert (error["code"], error["reason"]) == ("hardware-key-unavailable", reason)
        assert not folder.exists()
    error = run(program, "init", "--dir", folder, "--checkpoint-key", f"{start}&pin-value={PIN}")
    assert error["error"]["code"] == "malformed"
    assert not folder.exists()
