"""`python -m ledger.proof`: what it reads, says and returns."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.proof import __main__ as command
from ledger.proof.database import DatabaseSource
from ledger.proof.errors import Incomplete, Tampered
from ledger.proof.report import Report
from ledger.proof.sources import TileSource
from ledger.proof.tlogproof import PROOF_BYTES_MAX
from ledger.proof.vault import VaultReader
from tests.unit.proof.golden_log import LOG, PROOF, ROOT, VALID, VKEY, files, nothing

CHECKOUT = Path(__file__).parents[3]
PROVEN: dict[str, Any] = {
    **VALID,
    "checkpoints": 0,
    "keys_complete": "no",
    "replayed": "26/26",
    "derived": "not-checked",
    "entries": {"signed": 9, "attested": 12, "system": 5},
    "item": "old/relic",
    "index": 45,
    "owner": "anna",
    "frozen": False,
}
HUMAN = f"""\
verdict: valid
  size: 57
  root: {ROOT}
  anchored: no
  witnessed: 0/0
  map_audited: no
  time_bounded: no
  late: not-checked
  checkpoints: 0
  unpublished: 0
  attested: 12
  gaps: 2
  erased: 0
  keys_complete: no
  replayed: 26/26
  single_handed: yes
  derived: not-checked
  entries: {{'signed': 9, 'attested': 12, 'system': 5}}
  item: old/relic
  index: 45
  owner: anna
  frozen: False
"""


class Calls:
    """Takes the place of `audit`: keeps what it was given and answers at once."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, ...]] = []
        self.kind: type | None = None
        self.vault: VaultReader | None = None

    def __call__(self, source: Any, vkey: str, *, since: bytes | None, processes: int) -> Report:
        self.given.append((vkey, since, processes))
        self.kind = type(source)
        self.vault = getattr(source, "_vault", None)
        return Report(size=3)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()
    monkeypatch.setattr(command, "audit", made)
    return made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A file that is just enough of a ledger to be opened."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as link:
        link.executescript(
            "CREATE TABLE alembic_version (version_num TEXT);"
            "INSERT INTO alembic_version VALUES ('0007');"
            "CREATE TABLE view_position (view TEXT, size INTEGER);"
        )
    return path


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = command.main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as ended:
        command.main(list(arguments))
    out, err = capsys.readouterr()
    return ended.value.code, " ".join(out.split()), " ".join(err.split())


# verify


def test_a_proof_is_verified_and_said_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "verify", PROOF, "--vkey", VKEY) == (0, HUMAN, "")


def test_a_proof_is_verified_and_said_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "verify", PROOF, "--vkey", VKEY, "--json")
    assert (code, err) == (0, "")
    assert out == json.dumps(PROVEN) + "\n"


def test_a_file_that_is_missing_is_a_matter_of_usage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "nothing"
    said = f"cannot read {path}: No such file or directory. Nothing was checked.\n"
    assert ran(capsys, "verify", path, "--vkey", VKEY) == (2, "", said)
    assert ran(capsys, "verify", PROOF, "--vkey", f"@{path}") == (2, "", said)
    assert ran(capsys, "audit", LOG, "--vkey", f"@{path}") == (2, "", said)
    assert ran(capsys, "audit", LOG, "--vkey", VKEY, "--since", path) == (2, "", said)


def test_a_proof_that_is_too_long_is_called_so_and_not_cut(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "long.tlog-proof"
    for surplus in (1, 2):
        path.write_bytes(b"c2sp.org/tlog-proof@v1\n".ljust(PROOF_BYTES_MAX + surplus, b"x"))
        code, out, _ = ran(capsys, "verify", path, "--vkey", VKEY, "--json")
        fault = {
            "step": "proof", "message": "the proof is too long", "field": "length",
            "expected": PROOF_BYTES_MAX, "found": PROOF_BYTES_MAX + 1,
        }  # fmt: skip
        assert (code, json.loads(out)) == (1, nothing(fault, "tampered"))


def test_the_key_may_stand_in_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, calls: Calls
) -> None:
    (tmp_path / "key").write_bytes(f"\n {VKEY} \n".encode())
    assert ran(capsys, "verify", PROOF, "--vkey", f"@{tmp_path / 'key'}") == (0, HUMAN, "")
    ran(capsys, "audit", LOG, "--vkey", f"@{tmp_path / 'key'}")
    (tmp_path / "key").write_bytes(b"a\xff")
    ran(capsys, "audit", LOG, "--vkey", f"@{tmp_path / 'key'}")
    assert calls.given == [(VKEY, None, 1), ("a\ufffd", None, 1)]


def test_a_key_that_cannot_be_used_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "verify", PROOF, "--vkey", "no key", "--json")
    assert (code, err, json.loads(out)["verdict"]) == (4, "", "unverifiable")


# audit


def test_a_folder_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "audit", LOG, "--vkey", VKEY, "--json")
    assert (code, err, json.loads(out)) == (0, "", VALID)


def test_a_kept_checkpoint_anchors_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    since = LOG / "checkpoints" / "31"
    code, out, _ = ran(capsys, "audit", LOG, "--vkey", VKEY, "--since", since, "--json")
    assert (code, json.loads(out)) == (0, {**VALID, "anchored": "yes"})


def test_options_reach_the_audit(capsys: pytest.CaptureFixture[str], calls: Calls) -> None:
    since = LOG / "checkpoints" / "31"
    code, out, _ = ran(
        capsys, "audit", LOG, "--vkey", "key", "--since", since, "--processes", "7", "--json"
    )
    assert (code, json.loads(out)["size"]) == (0, 3)
    assert calls.given == [("key", files()["checkpoints/31"], 7)]
    assert calls.kind is TileSource


@pytest.mark.parametrize("length", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_keys_and_kept_checkpoints_are_read_up_to_one_mebibyte(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, calls: Calls, length: int
) -> None:
    (tmp_path / "long").write_bytes(b"x" * length)
    ran(capsys, "audit", LOG, "--vkey", f"@{tmp_path / 'long'}", "--since", tmp_path / "long")
    ((vkey, since, _),) = calls.given
    assert (len(vkey), len(since)) == (min(length, 1 << 20),) * 2


def test_a_log_that_is_not_there_is_unverifiable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "nothing"
    code, out, err = ran(capsys, "audit", path, "--vkey", VKEY, "--json")
    fault = {"step": "fetch", "message": f"there is no folder {path}", "field": "folder"}
    assert (code, err, json.loads(out)) == (4, "", nothing(fault, "unverifiable"))


def test_an_address_is_asked_and_not_opened_as_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "audit", "ftp://log.example", "--vkey", VKEY, "--json")
    fault = {
        "step": "fetch",
        "message": "the address is neither http nor https",
        "field": "url",
        "found": "ftp://log.example",
    }
    assert (code, json.loads(out)) == (4, nothing(fault, "unverifiable"))


def test_an_address_gives_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    made = TileSource(files().get)
    monkeypatch.setattr(command, "url_source", {"http://log.example": made}.__getitem__)
    with command.source_of("http://log.example") as source:
        assert source is made


def test_a_database_file_is_read_without_a_vault(
    capsys: pytest.CaptureFixture[str], database: Path, calls: Calls
) -> None:
    assert ran(capsys, "audit", database, "--vkey", VKEY)[0] == 0
    assert (calls.kind, calls.vault) == (DatabaseSource, None)


def test_a_ledger_s_folder_is_read_with_its_vault(
    capsys: pytest.CaptureFixture[str], database: Path, calls: Calls
) -> None:
    assert ran(capsys, "audit", database.parent, "--vkey", VKEY)[0] == 0
    assert calls.kind is DatabaseSource
    assert calls.vault is not None
    assert calls.vault._keys == database.parent / "vault"


def test_a_file_that_is_no_database_is_unverifiable(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "audit", LOG / "checkpoint", "--vkey", VKEY, "--json")
    fault = {
        "step": "database",
        "message": "SQLite says: file is not a database",
        "field": "file",
    }
    assert (code, json.loads(out)) == (4, nothing(fault, "unverifiable"))


def test_a_path_that_cannot_be_asked_for_is_a_matter_of_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "x" * 300
    assert ran(capsys, "audit", name, "--vkey", VKEY) == (
        2,
        "",
        f"cannot read {name}: File name too long. Nothing was checked.\n",
    )


def test_an_interrupted_check_says_that_nothing_was_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> Report:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "audit", stop)
    monkeypatch.setattr(command, "verify_proof", stop)
    said = "interrupted: nothing was shown\n"
    assert ran(capsys, "audit", LOG, "--vkey", VKEY) == (130, "", said)
    assert ran(capsys, "verify", PROOF, "--vkey", VKEY) == (130, "", said)


# structure


def test_the_structure_of_a_folder_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    said = (
        f"structure: whole; 57 entries are linked and have the signed root {ROOT}. "
        "Signatures and rules were not checked.\n"
    )
    assert ran(capsys, "structure", LOG, "--vkey", VKEY) == (0, said, "")
    code, out, err = ran(capsys, "structure", LOG, "--vkey", VKEY, "--json")
    assert (code, err) == (0, "")
    assert out == json.dumps({"schema": 1, "structure": "whole", "size": 57, "root": ROOT}) + "\n"


def test_a_fault_of_the_structure_is_told_as_an_audit_tells_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "nothing"
    fault = {"step": "fetch", "message": f"there is no folder {path}", "field": "folder"}
    expected = nothing(fault, "unverifiable")

    code, out, err = ran(capsys, "structure", path, "--vkey", VKEY, "--json")
    assert (code, err, json.loads(out)) == (4, "", expected)
    code, out, err = ran(capsys, "structure", path, "--vkey", VKEY)
    assert (code, err, out.splitlines()[0]) == (4, "", "verdict: unverifiable")


# For people


def test_a_fault_is_said_after_what_was_shown_and_cannot_write_lines_of_its_own() -> None:
    report = Report(more={"item": "a\nverdict: valid"})
    report.fail(
        Tampered(
            "place", "wrong", index=4, stream="item/\x1b[2J", expected="é\u202e", found=b"\x01"
        )
    )
    assert command.say(report).split("\n") == [
        "verdict: tampered",
        "  size: 0",
        "  root: None",
        "  anchored: no",
        "  witnessed: 0/0",
        "  map_audited: no",
        "  time_bounded: no",
        "  late: not-checked",
        "  checkpoints: 0",
        "  unpublished: 0",
        "  attested: 0",
        "  gaps: 0",
        "  erased: 0",
        "  keys_complete: no",
        "  replayed: 0/0",
        "  single_handed: no",
        "  derived: not-checked",
        "  entries: {'signed': 0, 'attested': 0, 'system': 0}",
        "  item: a\\nverdict: valid",
        "  fault index: 4",
        "  fault stream: item/\\x1b[2J",
        "  fault step: place",
        "  fault field: None",
        "  fault expected: é\\u202e",
        "  fault found: 01",
        "  fault message: wrong",
        "  fault derived: False",
    ]


def test_the_exit_code_is_the_verdict_s(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object) -> Report:
        report = Report()
        report.fail(Incomplete("keys", "lack"))
        return report

    monkeypatch.setattr(command, "verify_proof", lacking)
    assert ran(capsys, "verify", PROOF, "--vkey", VKEY)[0] == 3


# Arguments

HELP = {
    (): "usage: python -m ledger.proof [-h] {verify,audit,structure} ... Check a proof or a whole "
    "log, trusting nobody but the key you bring. positional arguments: {verify,audit,structure} "
    "verify check a .tlog-proof file audit check a whole log structure check hashes, links and "
    "root of a log only options: -h, --help show this help message and exit",
    ("verify",): "usage: python -m ledger.proof verify [-h] --vkey VKEY [--json] file positional "
    "arguments: file options: -h, --help show this help message and exit --vkey VKEY the log's "
    "verifier key, or @FILE --json print one JSON line",
    ("audit",): "usage: python -m ledger.proof audit [-h] [--since SINCE] [--processes PROCESSES] "
    "--vkey VKEY [--json] log positional arguments: log an exported folder, a ledger's folder, its "
    "SQLite file, or a URL options: -h, --help show this help message and exit --since SINCE a "
    "checkpoint kept from earlier --processes PROCESSES how many check signatures --vkey VKEY the "
    "log's verifier key, or @FILE --json print one JSON line",
    ("structure",): "usage: python -m ledger.proof structure [-h] --vkey VKEY [--json] log "
    "positional arguments: log as for audit options: -h, --help show this help message and exit "
    "--vkey VKEY the log's verifier key, or @FILE --json print one JSON line",
}


@pytest.mark.parametrize("given", HELP, ids=" ".join)
def test_help_is_whole(capsys: pytest.CaptureFixture[str], given: tuple[str, ...]) -> None:
    assert refused(capsys, *given, "--help") == (0, HELP[given], "")


@pytest.mark.parametrize(
    ("given", "lack"),
    [
        ((), "what"),
        (("verify", "file"), "--vkey"),
        (("audit", "log"), "--vkey"),
        (("verify", "--vkey", "k"), "file"),
        (("audit", "--vkey", "k"), "log"),
        (("structure", "--vkey", "k"), "log"),
        (("structure", "log"), "--vkey"),
    ],
)
def test_what_must_be_given_is_asked_for(
    capsys: pytest.CaptureFixture[str], given: tuple[str, ...], lack: str
) -> None:
    code = command.main(list(given))

    out, err = capsys.readouterr()
    program = " ".join(["python -m ledger.proof", *given[:1]])
    assert (code, out) == (2, "")
    assert err == (
        f"the following arguments are required: {lack} (see {program} --help). "
        "Nothing was checked.\n"
    )


def test_a_usage_error_is_one_json_line_where_json_was_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    answers = []
    for given in (
        ["audit", "log", "--vkey", "k", "--processes", "two", "--json"],
        ["verify", str(tmp_path / "no"), "--vkey", "k", "--json"],
        ["audit", str(tmp_path), "--vkey", "k", "--json"],
    ):
        assert command.main(given) == 2
        out, err = capsys.readouterr()
        assert err == ""
        answers.append(json.loads(out)["error"])
    assert answers == [
        {
            "code": "usage",
            "message": "argument --processes: invalid int value: 'two' "
            "(see python -m ledger.proof audit --help)",
            "exit": 2,
        },
        {
            "code": "usage",
            "message": f"cannot read {tmp_path / 'no'}: No such file or directory",
            "exit": 2,
        },
        {
            "code": "usage",
            "message": f"the ledger of {tmp_path} lies in a database server: "
            "audit its URL or an export",
            "exit": 2,
        },
    ]


def test_the_arguments_are_those_of_the_process_by_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["proof", "--json"])

    assert command.main() == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


# In a process of its own, with nothing but the checkout


def isolated(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command where no environment helps, on a terminal that knows only ASCII."""
    start = (
        f"import runpy, sys; sys.path.insert(0, {str(CHECKOUT)!r}); "
        "sys.stdout.reconfigure(encoding='ascii', errors='strict'); "
        "runpy.run_module('ledger.proof', run_name='__main__', alter_sys=True)"
    )
    line = [sys.executable, "-I", "-X", "utf8", "-c", start, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, check=False)


def test_the_command_runs_alone() -> None:
    run = isolated("verify", PROOF, "--vkey", VKEY)
    assert (run.returncode, run.stdout.decode(), run.stderr) == (0, HUMAN, b"")


def test_evidence_that_the_terminal_cannot_write_does_not_stop_it() -> None:
    run = isolated("audit", "ftp://log.example/é", "--vkey", VKEY)
    assert (run.returncode, run.stderr) == (4, b"")
    assert run.stdout.startswith(b"verdict: unverifiable\n")
    assert b"  fault found: ftp://log.example/\\xe9\n" in run.stdout
