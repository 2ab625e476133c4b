"""Signing an import, here or in a second process: the same comes out, whoever ends when."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path

import psutil
import pytest

from api import import_signing
from api.folder import LedgerFolder
from api.house import House
from api.import_signing import SigningRoom, cores
from api.importer import IMPORTER, Tally, import_sales, prepare
from ledger.application import Accepted
from ledger.errors import SignatureInvalid
from ledger.rules.commands import Command, Signer
from ledger.rules.compose import Draft, compose, uuid7
from tests.cli.running import Program, row, table
from tests.cli.test_endings import wait_until_begun

ROWS = 1200
ENDS_WITHIN_S = 10


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with LedgerFolder.create(tmp_path / "ledger") as house:
        prepare(house, "old")
        yield house


@pytest.fixture(params=[1, 2], ids=["here", "beside"])
def number(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many cores there are said to be."""
    found: int = request.param
    monkeypatch.setattr(import_signing, "cores", lambda: found)
    return found


def sales(folder: Path, *, rows: int = ROWS) -> Path:
    return table(folder / "many.csv", [row(each, each % 900, 1, 2) for each in range(rows)])


def commands(house: House, key_id: str, *, count: int = 3) -> list[Command]:
    context = house.context()
    made = []
    for number in range(count):
        body = {
            "from": "a",
            "item": f"old/{number}",
            "ordinal": 0,
            "price": None,
            "source": {"file": "0" * 64, "row": 1},
            "time": "2018-01-01T00:00:00.000000Z",
            "to": "b",
            "tx": None,
        }
        signers = [Signer(IMPORTER, "importer", key_id)]
        expect = {f"item/old/{number}": None}
        draft = Draft("import-sale/1", IMPORTER, signers, body, expect)
        made.append(compose(context, uuid7(context.at, os.urandom(10)), draft))
    return made


def test_what_was_signed_is_accepted(house: House, number: int) -> None:
    with SigningRoom(house, IMPORTER, beside=True) as room:
        part = commands(house, room.key.key_id)
        prepared = room.start(part)()
        assert len(active_children()) == number - 1

    assert [one.command for one in prepared] == part
    assert [(one.fault, one.verified) for one in prepared] == [(None, True)] * 3
    assert all(isinstance(outcome, Accepted) for outcome in house.ledger.commit(prepared))
    assert active_children() == []


@pytest.mark.usefixtures("number")
def test_what_is_wrong_is_said_as_the_ledger_says_it(house: House) -> None:
    other = house.signer("operator").key_id
    with SigningRoom(house, IMPORTER, beside=True) as room:
        part = [*commands(house, room.key.key_id, count=1), *commands(house, other, count=1)]
        good, bad = room.start(part)()

    assert good.fault is None
    assert isinstance(bad.fault, SignatureInvalid)


def test_a_short_import_needs_no_second_process(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_signing, "Process", _never)
    short = table(tmp_path / "short.csv", [row(1, 1, 1, 2)])

    assert import_sales(house, short, namespace="old").added == 1


def _never(*_arguments: object, **_options: object) -> None:
    pytest.fail("a second process was begun")


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_second_process_that_is_killed_costs_no_row(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(import_signing, "cores", lambda: 2)
    started: list[int] = []
    start = SigningRoom.start

    def start_and_kill(room: SigningRoom, part: list[Command]) -> Callable[..., object]:
        begun = start(room, part)
        if len(started) == after:
            (second,) = active_children()
            second.kill()
        started.append(len(part))
        return begun

    monkeypatch.setattr(SigningRoom, "start", start_and_kill)

    tally = import_sales(house, sales(tmp_path), namespace="old")

    assert sum(started) == ROWS
    assert (tally.rows, tally.added) == (ROWS, ROWS)


@pytest.mark.usefixtures("number")
@pytest.mark.parametrize(("begun", "mine"), [(1, 0), (22, 500)])
def test_of_two_imports_of_one_file_each_row_is_added_by_one(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: int, mine: int
) -> None:
    file = sales(tmp_path)
    others: list[Tally] = []
    started: list[int] = []
    start = SigningRoom.start

    def start_after_another(room: SigningRoom, part: list[Command]) -> Callable[..., object]:
        started.append(len(part))
        if len(started) == begun:
            with LedgerFolder.open(house.folder) as other:
                others.append(import_sales(other, file, namespace="old"))
        return start(room, part)

    monkeypatch.setattr(SigningRoom, "start", start_after_another)

    tally = import_sales(house, file, namespace="old")

    assert (tally.added, others[0].added) == (mine, ROWS - mine)
    assert (tally.accepted, others[0].accepted) == (ROWS, ROWS)
    assert tally.gaps == others[0].gaps


@pytest.mark.skipif(cores() < 2, reason="needs a second core")
def test_the_second_process_ends_with_the_first_that_is_killed(
    program: Program, ledger: Path, tmp_path: Path
) -> None:
    running = program.start(
        "import-sales", sales(tmp_path, rows=10 * ROWS), "--dir", ledger, "--json"
    )
    try:
        wait_until_begun(program, ledger)
        running.send_signal(signal.SIGSTOP)
        second = psutil.Process(running.pid).children()
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()

    deadline = time.monotonic() + ENDS_WITHIN_S
    while any(each.is_running() for each in second) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(second) == 1
    assert [each for each in second if each.is_running()] == []
