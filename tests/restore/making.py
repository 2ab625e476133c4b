"""A ledger's folder that lives through a run, and copies of it from earlier moments."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from copy import copy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from api.backup import Steps
from api.desk import Order, send
from api.enrolment import Hand, enrol, open_namespace
from api.folder import LedgerFolder
from api.house import House
from ledger.clock import FixedClock
from ledger.log.export import export_log
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.vkey import VerifierKey
from ledger.record.database import reading
from ledger.rules.text import time_us

SECOND_US = 1_000_000
EVENTS = 60
EVERY = 10
QUIET = Steps(lambda _done, _all: None, lambda _done, _all: None)
"""Nobody is told how far a backup is."""
Rows = dict[str, list[tuple[Any, ...]]]
START_US = time_us("2026-11-22T09:00:00.000000Z", field="start")


ROWS = {
    "entry": 'SELECT * FROM entry ORDER BY "index"',
    "command": 'SELECT * FROM command ORDER BY "index"',
    "registered_key": 'SELECT * FROM registered_key ORDER BY "index"',
    "checkpoint": "SELECT * FROM checkpoint ORDER BY size",
    "tile": "SELECT * FROM tile ORDER BY level, number",
    "head": "SELECT * FROM head",
    "disclosure": 'SELECT "index", name, subject FROM disclosure ORDER BY "index"',
    "parcel": "SELECT * FROM parcel ORDER BY order_id, line",
    "view_ownership": "SELECT * FROM view_ownership ORDER BY from_index, item",
    "view_history": "SELECT * FROM view_history ORDER BY entry_index",
    "view_party": "SELECT * FROM view_party ORDER BY party",
    "view_order": "SELECT * FROM view_order ORDER BY order_id",
    "view_goods": "SELECT * FROM view_goods ORDER BY item",
}


def rows_in(engine: Engine) -> Rows:
    """Every row that must come back."""
    with reading(engine) as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(sql))]
            for name, sql in ROWS.items()
        }


def rows_of(folder: Path) -> dict[str, list[Any]]:
    """Every row that must come back, as SQLite itself gives them."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as link:
        return {name: link.execute(sql).fetchall() for name, sql in ROWS.items()}


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


class Told:
    """A run with a copy at every tenth event, and a mirror of its end."""

    def __init__(self, folder: Path) -> None:
        self.run = Run(folder / "ledger")
        self.copies: list[Path] = []
        with self.run.open() as house:
            for number in range(EVENTS):
                if number % EVERY == 0:
                    house.recorder.engine.dispose()
                    self.copies.append(copy_of(self.run.folder, folder / f"copy-{number}"))
                self.run.event(house)
            house.runner.catch_up()
            house.publisher.publish()
            self.mirror = mirror_of(house, folder / "mirror")
            self.size = house.reader.size()

    def moved(self, folder: Path) -> Told:
        """The same run in another folder, to which everything was copied."""
        told = copy(self)
        told.run = copy(self.run)
        told.run.clock = FixedClock(self.run.clock.now())
        told.run.folder = folder / "ledger"
        told.copies = [folder / each.name for each in self.copies]
        told.mirror = str(folder / "mirror")
        return told


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own: the marks lie in it."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A run of sixty events, made once; nobody changes it."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        return Told(folder)


@pytest.fixture
def told(template: Told, tmp_path: Path, state: Path) -> Told:
    """The run of sixty events in the test's own folder, with its mark."""
    shutil.copytree(template.run.folder.parent, tmp_path, dirs_exist_ok=True)
    return template.moved(tmp_path)
