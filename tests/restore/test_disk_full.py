"""A disk that fills up under a running server: read-only, said so, and open again by itself."""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.desk import Hand, Order, write
from api.folder import LedgerFolder
from api.house import new_key
from tests.api.serving import body_of
from tests.cli.running import Program

MIB = 1024 * 1024
# Between what is free now and the floor; others use this disk too.
MARGIN, FILL = 64 * MIB, 96 * MIB
PATIENCE_S = 20


@dataclass
class Filling:
    """A ledger on a real file system, and a file that takes the room above the floor."""

    program: Program
    folder: Path
    filler: Path

    def fill(self) -> None:
        with self.filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, FILL)

    def empty(self) -> None:
        self.filler.unlink()


@pytest.fixture
def filling(tmp_path: Path, state: Path) -> Iterator[Filling]:
    program = Program(state)
    folder = tmp_path / "ledger"
    program.json("init", "--dir", folder)
    floor = shutil.disk_usage(folder).free - MARGIN
    program.env = {**program.env, "YINZHENG_DISK_FREE_MIN": str(floor)}
    yield Filling(program, folder, tmp_path / "filler")
    program.close()


def registration(folder: Path, party: str) -> bytes:
    """The body of a request that registers a party."""
    with LedgerFolder.open(folder) as house:
        key = new_key("ed25519", random=os.urandom)
        hands = [
            Hand(party, "party", key),
            Hand("operator", "registrar", house.signer("operator")),
        ]
        body = {"class": "member", "key": key.key(), "party": party}
        _, submission = write(house.context(), Order("register-party/1", hands, body))
    return body_of(submission)


def ask(url: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - our server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def until(url: str, wanted: int, body: bytes | None = None) -> dict[str, Any]:
    """Ask until the wanted status comes."""
    end = time.monotonic() + PATIENCE_S
    while True:
        status, document = ask(url, body)
        if status == wanted:
            return document
        assert time.monotonic() < end, (status, document)
        time.sleep(0.1)


def test_a_server_is_read_only_while_the_disk_is_low(filling: Filling) -> None:
    bodies = [registration(filling.folder, f"party-{number}") for number in range(3)]
    with filling.program.serving("serve", "--dir", filling.folder) as (told, _):
        url = told["url"]
        commands, ready = f"{url}/v1/commands", f"{url}/readyz"
        assert ask(commands, bodies[0])[0] in {200, 201}

        filling.fill()
        problem = until(commands, 507, bodies[1])
        assert (problem["code"], problem["retryable"]) == ("disk-low", True)
        assert problem["evidence"]["free"] < problem["evidence"]["needed"]
        checks = until(ready, 503)["checks"]
        assert checks["disk"] == {"status": "failing", "error": "disk-low"}
        assert checks["database"]["status"] == "ok"
        # Reads go on, and what was accepted before is published.
        assert ask(f"{url}/v1/entries/0")[0] == 200

        filling.empty()
        until(ready, 200)
        assert ask(commands, bodies[2])[0] in {200, 201}


def test_a_command_says_which_disk_is_low_and_goes_on_when_there_is_room(filling: Filling) -> None:
    filling.fill()
    ran = filling.program("keys", "register", "late", "--dir", filling.folder, "--json")
    assert (ran.code, ran.error["code"]) == (6, "disk-low")
    assert ran.error["free"] < ran.error["needed"]
    assert "by itself" in ran.error["do"]
    assert filling.program("audit", "--dir", filling.folder).code == 0

    filling.empty()
    assert filling.program("keys", "register", "late", "--dir", filling.folder).code == 0
