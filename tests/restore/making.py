"""A ledger's folder that lives through a run, and copies of it from earlier moments."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from api.desk import Order, send
from api.enrolment import Hand, enrol, open_namespace
from api.folder import LedgerFolder
from api.house import House
from ledger.clock import FixedClock
from ledger.log.export import export_log
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.vkey import VerifierKey
from ledger.rules.text import time_us

SECOND_US = 1_000_000
START_US = time_us("2026-11-22T09:00:00.000000Z", field="start")


class Dice:
    """Bytes that are the same in every run."""

    def __init__(self, seed: str) -> None:
        self._seed, self._thrown = seed, 0

    def __call__(self, size: int) -> bytes:
        self._thrown += 1
        block = b""
        while len(block) < size:
            block += sha256(f"{self._seed}|{self._thrown}|{len(block)}".encode()).digest()
        return block[:size]


class Run:
    """A ledger in a folder of its own, whose state folder is the one of the test."""

    def __init__(self, folder: Path, *, seed: str = "restore", database: str | None = None) -> None:
        self.folder = folder
        self.clock, self.dice = FixedClock(START_US), Dice(seed)
        self.count = 0
        with LedgerFolder.create(
            folder,
            database_url=database,
            origin=f"example.org/{seed}",
            clock=self.clock,
            random=self.dice,
        ) as house:
            enrol(house, "shop", class_="merchant")
            open_namespace(house, "cards", "shop")
            house.publisher.publish()
            self.vkey = house.vkey

    def open(self, folder: Path | None = None, *, mirror: str | None = None) -> House:
        house = LedgerFolder.open(folder or self.folder, self.clock, random=self.dice)
        house.mirror = mirror
        return house

    def step(self, house: House, *, word: str = "card") -> None:
        """Record one event: a member, or an item whose name is sealed."""
        self.count += 1
        self.clock.advance(SECOND_US)
        name = f"{word}-{self.count}"
        if self.count % 3 == 0:
            enrol(house, name, class_="member")
            return
        hands = [Hand("shop", "owner", house.signer("shop"))]
        body = {"class": "virtual-equipment", "item": f"cards/{name}"}
        send(house, Order("register-item/1", hands, body, seal={"name": ("shop", "a sword")}))

    def event(self, house: House, *, word: str = "card") -> None:
        """Record one event; every fourth time, publish."""
        self.step(house, word=word)
        if self.count % 4 == 0:
            house.runner.catch_up()
            house.publisher.publish()


def copy_of(folder: Path, to: Path) -> Path:
    """Copy a whole ledger folder; nobody writes to it meanwhile."""
    shutil.copytree(folder, to, dirs_exist_ok=False)
    return to


def put_back(copy: Path, folder: Path) -> None:
    """Put a copy where the ledger lies, as somebody does who restores a backup by hand."""
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


def mirror_of(house: House, folder: Path) -> str:
    """Export the published log, and name the place."""
    export_log(house.reader, folder)
    return str(folder)


def published(house: House) -> Checkpoint:
    """The latest checkpoint in a ledger's database."""
    note = house.reader.checkpoint()
    assert note is not None
    return open_checkpoint(note, log=VerifierKey.parse(house.vkey))[0]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own: the marks lie in it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder
