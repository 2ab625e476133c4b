"""Runs of the product on a recording disk: what it wrote, and what it had promised by when.

A run is the production recorder, `Ledger.submit` and `Publisher` on a database of its own; the same
seed writes the same bytes in the same order.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, event

from ledger.application import Accepted, Outcome, Submission
from ledger.log.mark import Marked
from ledger.record.database import open_engine
from ledger.record.facts import Batch
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import migrate
from ledger.signer import LocalSigner
from tests.cuts.disk import Operation
from tests.cuts.driver import DriverConnection
from tests.cuts.oracle import Acknowledged, Oracle, Promises
from tests.cuts.vfs import RecordingFiles, RecordingVFS, recording
from tests.databases import sqlite_file_url
from tests.worlds import ORIGIN, World

SHM = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
ASKED_AGAIN = 2
MEMBERS = ("ann", "bob", "cid")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is made of."""

    seed: str
    batches: int = 30
    batch_max: int = 4
    """Most commands in one batch."""
    checkpoint_pages: int = 30
    """Pages in SQLite's log before they are written to the main file; 8,000 in production."""
    synchronous: str | None = None
    """What `PRAGMA synchronous` is set to after the product's own settings; None leaves them."""


def settings_of(seed: str) -> Settings:
    """What the run of a seed is made of, read from the seed alone.

    `3` is an ordinary run, `wide 3` has batches large enough to fill a tile, and a last word sets
    `PRAGMA synchronous`: `3 NORMAL`.
    """
    words = seed.split()
    synchronous = words.pop() if words[-1].isupper() else None
    if words[0] == "wide":
        return Settings(seed, batches=14, batch_max=40, synchronous=synchronous)
    pages = Random(seed).choice((4, 12, 30, 100))  # noqa: S311 - the same in every run
    return Settings(seed, checkpoint_pages=pages, synchronous=synchronous)


@dataclass(slots=True)
class Run:
    """What one run wrote, and when it promised what."""

    name: str
    """Its seed, or the name of the state that it starts from."""
    operations: list[Operation]
    oracle: Oracle
    before: Promises = field(default_factory=Promises)
    """What was promised before the run."""
    acknowledged: list[tuple[int, Acknowledged]] = field(default_factory=list)
    """With the number of operations done before."""
    shown: list[tuple[int, tuple[int, bytes]]] = field(default_factory=list)
    marked: list[tuple[int, int]] = field(default_factory=list)
    """Sizes that the mark was moved to."""
    batches: list[tuple[Submission, ...]] = field(default_factory=list)
    """Everything that was sent, in order."""

    def promises(self, cut: int) -> Promises:
        """What was promised before operation number `cut`."""
        return Promises(
            commands=[
                *self.before.commands,
                *(each for at, each in self.acknowledged if at <= cut),
            ],
            notes=[*self.before.notes, *(each for at, each in self.shown if at <= cut)],
            sizes=self.before.sizes,
            marked=max([self.before.marked, *(size for at, size in self.marked if at <= cut)]),
        )

    def repeated(self, cut: int) -> list[Submission]:
        """What clients send again after a cut: the end of what was answered, and what was not.

        Commands of later batches were made of what came after the cut; nobody has sent them.
        """
        answered = [
            batch for batch, last in zip(self.batches, self._answers(), strict=True) if last <= cut
        ]
        waiting = self.batches[len(answered) : len(answered) + 1]
        return [
            *list(chain(*answered))[-ASKED_AGAIN:],
            *(one for batch in waiting for one in batch),
        ]

    def _answers(self) -> Iterator[int]:
        """For each batch the number of operations done before it was answered."""
        end = 0
        for batch in self.batches:
            end += len(batch)
            yield self.acknowledged[end - 1][0]


class _Recorder(LedgerRecorder):
    """The production recorder; the run learns at which sizes a batch can end."""

    def __init__(self, engine: Engine, run: Run) -> None:
        super().__init__(engine)
        self._run = run

    def append(self, batch: Batch) -> None:
        """Note where the batch ends and write it."""
        self._run.before.sizes.add(batch.size + len(batch.entries))
        super().append(batch)


class ObservedWorld(World):
    """A world that notes what it promised, as soon as it did."""

    def __init__(self, engine: Engine, vault: Path, run: Run, *, seed: str, process: str) -> None:
        super().__init__(_Recorder(engine, run), vault, seed=seed, process=process)
        self._run = run
        self._advance, self.mark.advance = self.mark.advance, self._advance_and_note  # type: ignore[method-assign]

    def _advance_and_note(self, marked: Marked, **given: Any) -> None:
        self._advance(marked, **given)
        self._run.marked.append((len(self._run.operations), marked.size))

    def send(self, *submissions: Submission) -> list[Outcome]:
        """Submit one batch; whatever is accepted has a valid receipt and is noted."""
        self._run.batches.append(submissions)
        outcomes = super().send(*submissions)
        for submission, outcome in zip(submissions, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                self._run.oracle.check_receipt(outcome.receipt.document())
                noted = _noted(submission, outcome)
                self._run.acknowledged.append((len(self._run.operations), noted))
        return outcomes

    def publish(self) -> bytes | None:
        """Publish; a checkpoint that was returned is noted."""
        note = super().publish()
        if note is not None:
            size = int(note.decode().split("\n")[1])
            self._run.shown.append((len(self._run.operations), (size, note)))
        return note


class Story:
    """Commands in batches, dice deciding: members register items and pass them on."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._dice = Random(settings.seed)  # noqa: S311 - the same in every run
        self._settings = settings
        self._items: list[str] = []
        self._sent: list[Submission] = []

    def open(self) -> None:
        """Open the log and make its members."""
        self._world.submit(self._world.opening())
        for member in MEMBERS:
            self._world.register(member)
        self._world.open_namespace("cards", MEMBERS[0])

    def tell(self) -> None:
        """Send every batch, publish now and then, and sometimes send a command again."""
        for number in range(self._settings.batches):
            self.batch()
            if number % 4 == 3:
                self._world.publish()

    def batch(self) -> None:
        """Send one batch."""
        many = self._dice.randint(1, self._settings.batch_max)
        moved = self._dice.sample(self._items, min(len(self._items), many // 2))
        batch = [self._transfer(item) for item in moved]
        batch += [self._register() for _ in range(many - len(moved))]
        if self._sent and self._dice.random() < 0.2:
            batch.append(self._dice.choice(self._sent))
        outcomes = self._world.send(*batch)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        self._sent += batch

    def _transfer(self, item: str) -> Submission:
        owner = self._world.item(item).owner
        others = [member for member in MEMBERS if member != owner]
        return self._world.submission(
            self._world.transfer_draft(item, to=self._dice.choice(others))
        )

    def _register(self) -> Submission:
        item = f"cards/{len(self._items) + 1}"
        self._items.append(item)
        name = "sword" * self._dice.randint(1, 40)
        return self._world.submission(self._world.item_draft(item, name=name))


def perform(settings: Settings, folder: Path) -> Run:
    """Run the product from an empty folder on; its database is closed at the end.

    Args:
        settings: What the run is made of.
        folder: Holds the database and the vault of this run, and nothing else.

    """
    with recording(settings.seed.encode()) as vfs:
        run = Run(settings.seed, vfs.operations, oracle_of(settings.seed))
        with open_product(folder, vfs) as engine:
            set_up(engine, settings)
            migrate(engine)
            world = ObservedWorld(
                engine, folder / "vault", run, seed=settings.seed, process="first"
            )
            story = Story(world, settings)
            story.open()
            story.tell()
    return run


@contextmanager
def open_product(folder: Path, vfs: RecordingVFS) -> Iterator[Engine]:
    """Open the database in a folder as production does."""
    (folder / "db").mkdir(exist_ok=True)
    engine = open_engine(sqlite_file_url(folder / "db"), files=RecordingFiles(vfs))
    try:
        yield engine
    finally:
        engine.dispose()


def set_up(engine: Engine, settings: Settings) -> None:
    """Put the settings of a run in force, after production's own."""

    def tune(connection: DriverConnection, _record: object) -> None:
        connection.checkpoint_after(settings.checkpoint_pages)
        if settings.synchronous is not None:
            connection.execute(f"PRAGMA synchronous = {settings.synchronous}")

    # One connection is open already.
    with engine.connect() as connection:
        tune(connection.connection.driver_connection, None)
    event.listen(engine, "connect", tune)


def oracle_of(seed: str) -> Oracle:
    """The oracle that knows the public keys of the world of this seed."""
    public = {name: _public(seed, name) for name in ("checkpoint", "receipt")}
    return Oracle(ORIGIN, checkpoint_key=public["checkpoint"], receipt_key=public["receipt"])


def _public(seed: str, name: str) -> bytes:
    # As in `tests.worlds`; were it another key, no receipt would hold.
    return LocalSigner.from_seed(sha256(f"{seed}|key|{name}".encode()).digest()).public


def _noted(submission: Submission, outcome: Accepted) -> Acknowledged:
    command = json.loads(submission.command)
    return Acknowledged(command["by"], command["id"], outcome.index, outcome.leaf)


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Give a folder of our own in memory, deleted afterwards."""
    where = SHM if SHM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="yz-cuts-", dir=where) as name:
        yield Path(name)
