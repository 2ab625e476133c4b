"""`yinzheng policy`: a file that is checked, shown and published."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.policies.reading import default_policy, read_policy
from ledger.rules.digests import terms_digest
from ledger.rules.text import format_time, time_us
from tests.cli.running import Program, Ran

DAY_US = 86_400_000_000
FIRST = read_policy(default_policy()).document


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the default policy."""
    return write(tmp_path / "policy.yaml")


def write(file: Path, old: str = "", new: str = "") -> Path:
    file.write_text(default_policy().decode("utf-8").replace(old, new, 1), encoding="utf-8")
    return file


def refused(ran: Ran) -> dict[str, Any]:
    assert ran.code == 2, ran
    return ran.error


def test_the_default_is_written_checked_and_in_order(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    written = program.json("policy", "default", "-o", file)
    checked = program.json("policy", "check", file)

    assert FIRST is not None
    assert file.read_bytes() == default_policy()
    assert written["digest"] == checked["digest"] == terms_digest(FIRST)
    assert (checked["id"], checked["faults"]) == ("cn-default", [])
    assert program("policy", "default").out.encode() == default_policy()
    assert program.json("policy", "default")["text"].encode() == default_policy()


def test_a_file_that_is_there_is_not_overwritten(program: Program, file: Path) -> None:
    before = file.read_bytes() + b"# mine\n"
    file.write_bytes(before)

    assert refused(program("policy", "default", "-o", file, "--json"))["code"] == "file-error"
    assert file.read_bytes() == before


def test_a_process_names_every_fault_for_people(program: Program, tmp_path: Path) -> None:
    file = write(tmp_path / "规则.yaml", "notice_days: 7", "notice_days: 6")
    file.write_text(file.read_text("utf-8").replace("fee_bp: 200", "fee_pb: 200"), "utf-8")
    ran = subprocess.run(
        program.command("policy", "check", file),
        env=program.env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (2, "")
    notice, missing, strange, *rest = ran.stderr.splitlines()
    assert notice == f"{file}:17:14: notice_days: is 6: it is a whole number from 7 to 365"
    assert missing.startswith(f"{file}:162:3: merchant.fee_bp: is missing: it is a whole number")
    assert strange.startswith(f"{file}:162:3: merchant.fee_pb: is no field here: there are ")
    assert rest[0] == f"error: {file} is not a policy that can be published: 3 faults"


def test_a_program_reads_every_fault(program: Program, tmp_path: Path) -> None:
    file = write(tmp_path / "policy.yaml", "deliver: 2h", "deliver: 2")
    error = refused(program("policy", "check", file, "--json"))

    assert error["code"] == "policy-faulty"
    assert error["message"] == f"{file} is not a policy that can be published: 1 fault"
    (fault,) = error["faults"]
    assert (fault["line"], fault["column"], fault["field"]) == (50, 14, "classes[0].deliver")
    assert fault["message"].startswith("is 2: it is a duration with its unit")


def test_a_file_of_a_megabyte_is_refused_at_once(program: Program, file: Path) -> None:
    file.write_bytes(default_policy() + b"# x\n" * 250_000)
    error = refused(program("policy", "check", file, "--json"))

    assert error["faults"] == [
        {"line": 1, "column": 1, "field": "", "message": "the file is larger than 262144 bytes"}
    ]


def test_the_first_holds_at_once_and_the_next_with_its_notice(
    program: Program, ledger: Path, file: Path
) -> None:
    empty = program.json("policy", "show", "--dir", ledger)
    first = program.json("policy", "publish", file, "--dir", ledger)
    write(file, "notice_days: 7", "notice_days: 30   # 提前三十天公示")
    second = program.json("policy", "publish", file, "--dir", ledger)
    shown = program.json("policy", "show", "--dir", ledger)

    assert empty == {"schema": 1, "in_force": None, "pending": None, "superseded": []}
    assert shown["in_force"]["policy"] == FIRST
    assert shown["in_force"]["digest"] == first["digest"]
    assert shown["in_force"]["effective_at"] == first["effective_at"]
    assert shown["pending"]["policy"]["notice_days"] == 30
    assert shown["pending"]["digest"] == second["digest"]
    notice = time_us(second["effective_at"], "") - time_us(first["effective_at"], "")
    assert 7 * DAY_US <= notice < 8 * DAY_US
    assert shown["superseded"] == []
    assert program.json("audit", "--dir", ledger)["verdict"] == "valid"
    lines = program("policy", "show", "--dir", ledger).out.splitlines()
    assert lines[0].startswith(f"in force  cn-default since {first['effective_at']}, digest ")
    assert lines[1].startswith(f"pending   cn-default since {second['effective_at']}, digest ")


def test_what_the_rules_refuse_is_not_published(
    program: Program, ledger: Path, file: Path, tmp_path: Path
) -> None:
    def publish(file: Path, *more: object) -> Ran:
        return program("policy", "publish", file, "--dir", ledger, *more, "--json")

    future = ("--effective-at", "2099-01-01T00:00:00.000000Z")
    assert "the first takes effect at once" in refused(publish(file, *future))["message"]
    since = time_us(publish(file).document["effective_at"], "")
    assert refused(publish(file))["code"] == "policy-unchanged"
    other = write(tmp_path / "other.yaml", "fee_bp: 200", "fee_bp: 100")
    early = format_time(since + 7 * DAY_US - 1)
    assert refused(publish(other, "--effective-at", early))["code"] == "notice-too-short"
    assert refused(publish(other, *future))["code"] == "notice-too-long"
    accepted = publish(other, "--effective-at", format_time(since + 9 * DAY_US)).document
    assert accepted["effective_at"] == format_time(since + 9 * DAY_US)
    third = write(tmp_path / "third.yaml", "fee_bp: 200", "fee_bp: 300")
    assert refused(publish(third))["code"] == "policy-pending"


def test_a_faulty_policy_is_not_published(program: Program, ledger: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "policy.yaml", "max_bp: 3000", "max_bp: 300")

    ran = program("policy", "publish", file, "--dir", ledger, "--json")
    (fault,) = refused(ran)["faults"]
    assert fault["field"] == "compensation.penalty.min_bp"
    assert program.json("policy", "show", "--dir", ledger)["in_force"] is None
