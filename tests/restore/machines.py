"""A machine whose program is killed inside healing, backing up and restoring, on either database.

It has one ledger, copies of it from earlier moments, and a mirror of what was published. It keeps
every receipt that was given, every root that was signed for a size, and how the mark lies on the
disk: whoever signs writes that file anew first. After each kill all of it is held against what is
there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest import mock

import pytest
from sqlalchemy import create_engine, make_url

from api.auditing import folder_of_ledger
from api.backup import make_backup, read_backup
from api.config import SQLITE_FILE
from api.house import House
from ledger.application import Accepted, Outcome
from ledger.errors import WriteLocked
from ledger.log.errors import SignLocked
from ledger.log.standing import Class
from ledger.proof.audit import audit
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.hashing import leaf_hash
from ledger.proof.tree import MemoryTree
from ledger.proof.vkey import VerifierKey
from ledger.record.database import open_engine_read_only
from ledger.submission import Submission
from tests.cli.running import Program
from tests.databases import fresh_postgres_database
from tests.restore.making import QUIET, Run, copy_of, mirror_of, put_back, rows_in

EVERY = 8
INDEX_AT = {"entry": 0, "command": 3, "registered_key": 2, "disclosure": 0}
"""The column of a table's rows that names the entry with which a row came."""


@dataclass(frozen=True)
class Copy:
    """The ledger as it was at an earlier moment: put back by hand, or from a backup."""

    folder: Path
    database: str | None
    backup: Path


class Machine:
    """One ledger, what was promised about it, and the program that is killed."""

    def __init__(
        self, folder: Path, program: Program, server: str | None, stack: ExitStack, events: int
    ) -> None:
        """Let a ledger live through a run; see `living_machine`."""
        self.program, self._server, self._stack = program, server, stack
        self._home, self._events, self.kills = folder, events, 0
        self._receipts: list[tuple[int, bytes]] = []
        self._roots: dict[int, bytes] = {}
        self._url = self.new_database()
        self.run = Run(folder / "ledger", seed="kills", database=self._url)
        self.copies: list[Copy] = []
        for number in range(0, events, EVERY):
            self.copies.append(self._copy(folder / f"copy-{number}"))
            with self.house() as house:
                for _ in range(EVERY):
                    self.run.event(house)
        self.go_on(1)

    @property
    def folder(self) -> Path:
        return self.run.folder

    @contextmanager
    def house(self, folder: Path | None = None) -> Iterator[House]:
        """Open a ledger in this process; whatever receipt it gives is kept."""
        with self.run.open(folder) as house:
            submit = house.ledger.submit

            def keep(submissions: Sequence[Submission]) -> list[Outcome]:
                outcomes = submit(submissions)
                self._receipts += [
                    (each.index, each.leaf) for each in outcomes if isinstance(each, Accepted)
                ]
                return outcomes

            with mock.patch.object(house.ledger, "submit", keep):
                yield house

    def new_database(self) -> str | None:
        """Make an empty database where a ledger of this machine may lie; None for a file."""
        if self._server is None:
            return None
        return self._stack.enter_context(fresh_postgres_database(self._server))

    def go_on(self, events: int) -> None:
        """Record more, publish it, and remember what is there from now on."""
        with self.house() as house:
            for _ in range(events):
                self.run.step(house)
            house.runner.catch_up()
            house.publisher.publish()
            self.mirror = mirror_of(house, self._home / "mirror")
            self.wanted = rows_in(house.recorder.engine)
        self.leaves = [leaf_hash(row[-1]) for row in self.wanted["entry"]]
        self._marked = self._mark_on_disk()
        self.check_whole()

    def put_back(self, copy: Copy) -> None:
        """Lose the ledger, and put an older copy in its place."""
        put_back(copy.folder, self.folder)
        if copy.database is not None:
            self._copy_database(copy.database, to=self._url)

    def restore_arguments(self) -> tuple[object, ...]:
        """Name what brings the ledger back from the mirror."""
        return ("restore", "--dir", self.folder, "--mirror", self.mirror, "--json")

    def kill(self, point: str, *arguments: object) -> None:
        """Run the program until it kills itself at a point; nothing was signed meanwhile."""
        self.program.killed_at(point, *arguments)
        self.kills += 1
        assert self._mark_on_disk() == self._marked, "something was signed"

    def some_batch(self, random: Random) -> int:
        """Pick one of the batches that a healing has still to write; 0 when it has none."""
        with self.house() as house:
            size = house.recorder.head().size
        batches = sum(reached > size for reached, *_ in self.wanted["checkpoint"])
        return random.randint(1, batches) if batches else 0

    def check_locked(self, folder: Path | None = None) -> None:
        """Check that a ledger is the beginning of what was promised, and whole or locked."""
        with self.house(folder) as house:
            size = self._check_beginning(house)
            standing = house.gate.look()
            if size == len(self.leaves):
                assert standing.klass is Class.SAME
            else:
                assert standing.klass is Class.UNDECIDED
                with pytest.raises(WriteLocked) as writing:
                    self.run.step(house, word="late")
                assert writing.value.evidence["class"] == str(Class.UNDECIDED)
                with pytest.raises(SignLocked):
                    house.publisher.publish()
                assert self._check_beginning(house) == size
        assert self._mark_on_disk() == self._marked, "something was signed"

    def check_whole(self, folder: Path | None = None) -> None:
        """Check that everything is there that was promised, and nothing else."""
        with self.house(folder) as house:
            assert rows_in(house.recorder.engine) == self.wanted
            self._check_beginning(house)
            assert house.gate.look().klass is Class.SAME
        with folder_of_ledger(folder or self.folder) as source:
            report = audit(source, self.run.vkey)
        found = (report.verdict, report.derived, report.size)
        assert found == ("valid", "yes", len(self.leaves)), report
        gone = [index for index, leaf in self._receipts if self.leaves[index] != leaf]
        assert (gone, len(self._receipts) > self._events) == ([], True)
        assert self._mark_on_disk() == self._marked, "something was signed"

    def check_backup(self, backup: Path) -> None:
        """Check that a backup holds all that the machine has."""
        read = read_backup(backup)
        assert (read.size, read.unpublished) == (len(self.leaves), 0)
        engine = open_engine_read_only(f"sqlite:///{backup / SQLITE_FILE}")
        try:
            assert rows_in(engine) == self.wanted
        finally:
            engine.dispose()

    def _check_beginning(self, house: House) -> int:
        """Check that no row contradicts what was promised, and none is half there."""
        found = rows_in(house.recorder.engine)
        ((_, size, leaf, _),) = found["head"]
        assert leaf == self.leaves[size - 1]
        for table, place in INDEX_AT.items():
            expected = [row for row in self.wanted[table] if row[place] < size]
            assert found[table] == expected, table
        assert set(found["checkpoint"]) <= set(self.wanted["checkpoint"])
        key, tree = VerifierKey.parse(house.vkey), MemoryTree(self.leaves)
        signed = [open_checkpoint(note, log=key)[0] for *_, note in found["checkpoint"]]
        marked = house.mark.read()
        assert marked is not None
        for reached, root in ((marked.size, marked.root), *((c.size, c.root) for c in signed)):
            assert self._roots.setdefault(reached, root) == root == tree.root(reached)
        return int(size)

    def _mark_on_disk(self) -> tuple[int, int, bytes]:
        with self.run.open() as house:
            path = house.mark.path
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, path.read_bytes()

    def _copy(self, folder: Path) -> Copy:
        backup = folder.with_name(f"backup-of-{folder.name}")
        with self.house() as house:
            house.runner.catch_up()
            make_backup(house, backup, QUIET, with_keys=True)
        database = self.new_database()
        if database is not None:
            self._copy_database(self._url, to=database)
        return Copy(copy_of(self.folder, folder), database, backup)

    def _copy_database(self, url: str | None, *, to: str | None) -> None:
        assert url is not None
        assert to is not None
        source, target = make_url(url).database, make_url(to).database
        admin = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {target} WITH (FORCE)")
            connection.exec_driver_sql(f"CREATE DATABASE {target} TEMPLATE {source}")
        admin.dispose()


@contextmanager
def living_machine(folder: Path, server: str | None, *, events: int) -> Iterator[Machine]:
    """Make a machine.

    Args:
        folder: For all that is its own, its marks too.
        server: A PostgreSQL server for its databases; files when None.
        events: How many it lives through; at every eighth a copy is kept.

    """
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        program = Program(folder / "state")
        stack.callback(program.close)
        yield Machine(folder, program, server, stack, events)
