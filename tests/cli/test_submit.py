"""`yinzheng submit`: signed commands from a file, and the strict-input corpus of the API again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.folder import LedgerFolder
from api.house import House
from ledger.rules.canonical import encode
from ledger.rules.commands import Signer
from ledger.rules.compose import Draft, compose, uuid7
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner
from tests.api.test_strict_input import BODIES

# Each runs a process of its own, so not all of them: one of every family.
CASES = [
    "nothing",
    "empty list",
    "byte order mark",
    "invalid UTF-8",
    "lone surrogate",
    "a key twice",
    "keys unsorted",
    "a control character escaped",
    "a key that is no field",
    "NaN",
    "a huge exponent",
    "2**53",
    "depth 100000",
    "an unknown field",
    "a missing field",
]


@dataclass(frozen=True)
class Told:
    """How a run of the command ended."""

    code: int
    document: dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("submit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(place / "state"))
        LedgerFolder.create(place / "ledger").close()
    return place / "ledger"


def submit(folder: Path, body: bytes) -> Told:
    run = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "submit", "-", "--dir", folder, "--json"],
        input=body,
        capture_output=True,
        check=False,
        env={"XDG_STATE_HOME": str(folder.parent / "state"), "PYTHONPATH": "."},
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 1, run.stderr
    return Told(run.returncode, json.loads(lines[0]))


def size(folder: Path) -> int:
    with LedgerFolder.open(folder) as house:
        return house.reader.size()


def registration(house: House, party: str) -> bytes:
    signer = LocalSigner.from_seed(party.encode().ljust(32, b"."))
    operator = house.signer("operator")
    places = [
        Signer(party, "party", signer.key_id),
        Signer("operator", "registrar", operator.key_id),
    ]
    body = {"class": "member", "key": signer.key(), "party": party}
    command = compose(
        house.context(),
        uuid7(house.clock.now(), house.random(10)),
        Draft("register-party/1", party, places, body),
    )
    sigs = [b64encode(each.sign(command.message)) for each in (signer, operator)]
    return encode({"command": command.document, "disclosures": [], "sigs": sigs})


@pytest.mark.parametrize("name", CASES)
def test_what_the_api_refuses_as_a_whole_ends_with_2_and_records_nothing(
    folder: Path, name: str
) -> None:
    body, says = BODIES[name]
    before = size(folder)

    told = submit(folder, body)

    if "error" in told.document:
        error = told.document["error"]
    else:
        (result,) = told.document["results"]
        error = result["error"]
    assert (told.code, error["code"]) == (2, "malformed")
    assert says in error["message"]
    assert size(folder) == before


def test_8_mib_are_read_and_a_byte_more_is_refused(folder: Path) -> None:
    told = submit(folder, b"[" + b" " * (8 << 20))

    assert told.code == 2
    assert "at most 8388608 are accepted" in str(told.document["error"])


def test_a_signed_command_gets_its_receipt_and_the_same_again_the_same_place(folder: Path) -> None:
    with LedgerFolder.open(folder) as house:
        body = registration(house, "carl")
        index = house.reader.size()

    first, again = submit(folder, body), submit(folder, body)

    places = [told.document["results"][0]["receipt"]["index"] for told in (first, again)]
    assert (first.code, again.code, places) == (0, 0, [index, index])
    assert size(folder) == index + 1


def test_in_a_list_each_command_stands_for_itself(folder: Path) -> None:
    with LedgerFolder.open(folder) as house:
        good = registration(house, "dora")
        taken = registration(house, "operator")

    told = submit(folder, b"[" + good + b"," + taken + b"]")

    assert (told.code, told.document["accepted"], told.document["refused"]) == (2, 1, 1)
    assert told.document["results"][1]["error"]["code"] == "party-exists"
