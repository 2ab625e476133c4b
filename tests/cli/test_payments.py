"""`yinzheng payments`: what is set up, and a statement against the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Program
from tests.paying import set_up, setup_document, write_setup


def says(program: Program, ledger: Path, code: int = 7) -> list[str]:
    ran = program("payments", "check", "--dir", ledger, "--json")
    assert ran.code == code, ran
    return [f"{each['party']} {each['says']}" for each in ran.document["providers"]]


def test_what_is_set_up_is_looked_at_step_by_step(program: Program, ledger: Path) -> None:
    nothing = program("payments", "check", "--dir", ledger, "--json")
    assert (nothing.code, nothing.error["code"]) == (2, "provider-not-configured")

    set_up(ledger)
    parties = ("ali", "till", "wex")
    assert says(program, ledger) == [f"{party} is not registered" for party in parties]
    for party in parties:
        program.json("keys", "register", party, "--dir", ledger)
    assert says(program, ledger)[0] == "ali does not hold cashier"
    for party in parties:
        program.json("keys", "grant", party, "cashier", "--dir", ledger)
    assert says(program, ledger, 0) == [f"{party} can record payments" for party in parties]

    key = ledger / "keys" / "ali.pem"
    key.rename(ledger / "keys" / "old.pem")
    assert says(program, ledger)[0] == "ali has no key here"
    (ledger / "keys" / "wex.pem").rename(key)
    assert says(program, ledger)[0] == "ali has another key here than the ledger knows"


def test_a_fault_of_the_setup_is_named(program: Program, ledger: Path) -> None:
    set_up(ledger)
    document = setup_document()
    document["wechat"]["api_v3_key"] = "nowhere"
    write_setup(ledger, document)

    ran = program("payments", "check", "--dir", ledger, "--json")
    assert (ran.code, ran.error["code"]) == (2, "payments-misconfigured")
    assert ran.error["field"] == "wechat.api_v3_key"


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_the_doctor_looks_whether_others_can_read_it(
    program: Program, ledger: Path, mode: int
) -> None:
    place = set_up(ledger)
    for path in place.iterdir():
        path.chmod(0o600)
    place.chmod(mode)

    checks = program("doctor", "--dir", ledger, "--json").document["checks"]
    (modes,) = (check for check in checks if check["name"] == "file modes")
    assert modes["status"] == ("wrong" if mode == 0o755 else "ok")
    assert ("payments" in modes["found"]) is (mode == 0o755)


def test_a_statement_is_compared_with_the_ledger(tmp_path: Path, program: Program) -> None:
    folder = tmp_path / "ledger"
    program.json("init", "--dir", folder)
    bill = tmp_path / "bill.csv"
    bill.write_text("transaction,order,amount,currency,state\n42,,100,CNY,paid\n")

    ran = program("payments", "reconcile", bill, "--provider", "wechat", "--dir", folder, "--json")
    assert ran.code == 7
    assert ran.document == {
        "schema": 1,
        "provider": "wechat",
        "rows": 1,
        "entries": 0,
        "matched": 0,
        "differences": [
            {
                "difference": "not-in-ledger",
                "number": "42",
                "line": 2,
                "stated": "100 CNY",
                "entry": None,
                "recorded": None,
                "for": None,
            }
        ],
    }
    shown = program("payments", "reconcile", bill, "--provider", "wechat", "--dir", folder)
    assert shown.out.splitlines()[0] == "not-in-ledger  42  2  100 CNY  -  -  -"
    bill.write_text("transaction,order,amount,currency,state\n")
    assert program("payments", "reconcile", bill, "--provider", "wechat", "--dir", folder).code == 0
    assert program("payments", "reconcile", bill, "--provider", "visa", "--dir", folder).code == 2
