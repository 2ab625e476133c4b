"""The database as the nodes reach it: a server that is away at times, or a file beside them.

Between COMMIT and its answer anything can happen, as in life: the answer is lost though the commit
stands, the commit is lost, or it is decided only later, while the node knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Protocol

from ledger.crashpoints import CrashPoint, reach
from ledger.record.errors import DatabaseUnavailable, OutcomeUnknown
from tests.determinism.simdb import SimDatabase
from tests.determinism.simrecorder import Link, Transaction
from tests.determinism.tasks import SimCrash, current

NAME = "simulated"
AWAY_US = 3_000_000
PAUSE_AT_COMMIT, COMMITTED_AT_RESTART, HALF = 0.5, 0.5, 0.5


class Surroundings(Protocol):
    """What the server needs of the simulation."""

    options: object
    now: int

    def strikes(self, kind: str) -> bool: ...

    def recover(self) -> None: ...


class Session(Transaction):
    """A transaction on the server."""

    def __init__(self) -> None:
        super().__init__()
        self.state = "open"  # open, committing, committed, gone
        # Whether the server can still tell the node what became of it.
        self.heard = True

    def apply(self) -> None:
        assert self.state != "committed"
        super().apply()
        self.state = "committed"


class Server:
    """Runs the transactions of all nodes."""

    def __init__(self, database: SimDatabase, world: Surroundings, dice: Random, kind: str) -> None:
        self.database, self.kind = database, kind
        self._world, self.dice = world, dice
        self.sessions: list[Session] = []
        self.lingering: list[Session] = []
        self.away_until = 0
        # Until then the standby gets nothing: what is committed can be seen, and is not answered.
        self.alone_until = 0
        self.replicate()

    def replicate(self, *, sometimes: bool = False) -> None:
        """Have everything that is committed on the standby too: its log has no holes."""
        if sometimes and self.dice.random() < HALF:
            return
        latest = self.database.latest()
        self._replicated = (len(self.database.entries), latest.size if latest else 0)
        self._replicated_epoch = self.database.head.epoch
        self._replicated_tiles = dict(self.database.tiles)

    @property
    def behind(self) -> bool:
        """Whether the standby lacks something."""
        return self._replicated[0] < len(self.database.entries)

    def fail_over(self) -> int:
        """Go on with the standby, which has what was waited for; return its size."""
        self._hang_up()
        for session in [*self.lingering, *self.sessions]:
            session.state = "gone"
            self.release(session)
        self.lingering.clear()
        self.alone_until = 0
        size, shown = self._replicated
        self.database.cut(size, shown)
        # Tiles are stored before the checkpoint that covers them.
        self.database.tiles = dict(self._replicated_tiles)
        self.database.head = self.database.head._replace(epoch=self._replicated_epoch)
        self.away_until = self._world.now + self.dice.randint(0, AWAY_US)
        self._world.recover()
        return size

    def check_here(self) -> None:
        """Raise `DatabaseUnavailable` while the server is away."""
        if self._world.strikes("database away"):
            self.away_until = self._world.now + self.dice.randint(0, AWAY_US)
        if self._world.now <= self.away_until:
            raise DatabaseUnavailable(NAME, "it is away")

    def apply(self, session: Session) -> None:
        """Commit."""
        session.apply()

    def release(self, session: Session) -> None:
        """Give back what a transaction locked."""
        locks = self.database.locks
        for name in [name for name, holder in locks.items() if holder is session]:
            del locks[name]
        if session in self.sessions:
            self.sessions.remove(session)

    def settle(self, session: Session) -> None:
        """Commit a transaction whose node is gone, or roll it back."""
        if self.dice.random() < COMMITTED_AT_RESTART:
            self.apply(session)
        else:
            session.state = "gone"
        self.release(session)

    def settle_one(self) -> None:
        """End one of the transactions that nobody waits for any more."""
        self.settle(self.lingering.pop(0))

    def _hang_up(self) -> None:
        for session in self.sessions:
            session.heard = False

    def restart(self) -> None:
        """Go down and come up again: what was being committed was, or was not."""
        self._hang_up()
        while self.lingering:
            self.settle_one()
        for session in list(self.sessions):
            if session.state == "committing":
                self.settle(session)
            elif session.state == "open":
                session.state = "gone"
                self.release(session)
        self.away_until = self._world.now + self.dice.randint(0, AWAY_US)
        self._world.recover()


class NodeLink(Link):
    """One node's connection."""

    def __init__(self, server: Server, world: Surroundings, *, read_pause: float) -> None:
        super().__init__(server.database)
        self._server, self._world, self._read_pause = server, world, read_pause
        self.alive = True
        self.replicates = server.kind == "server"

    def _check(self, what: str, *, pause: bool) -> None:
        if not self.alive:
            raise SimCrash
        if pause:
            current().pause(what)
        if not self.alive:
            raise SimCrash
        self._server.check_here()

    def reading(self, what: str) -> None:
        pause = self._server.dice.random() < self._read_pause
        self._check(f"reads {what}", pause=pause)

    @contextmanager
    def writing(self, what: str, lock: str) -> Iterator[Transaction]:
        self._check(f"writes: {what}", pause=True)
        session = Session()
        self._server.sessions.append(session)
        try:
            if self._server.kind == "file":
                self._lock(session, "file")
            elif lock == "head":
                # The conditional update of the head row comes first.
                self._lock(session, lock)
            yield session
            if session.changes:
                self._commit(session)
        finally:
            self._end(session)

    def insert(self, transaction: Transaction, lock: str) -> None:
        if self._server.kind == "server":
            assert isinstance(transaction, Session)
            current().pause(f"inserts into {lock}")
            self._lock(transaction, lock)

    def _lock(self, session: Session, name: str) -> None:
        locks = self.database.locks
        while locks.get(name, session) is not session:
            current().pause(f"waits for {name}", lock=name)
            self._still_open(session)
        self._still_open(session)
        locks[name] = session

    def _still_open(self, session: Session) -> None:
        if not self.alive:
            raise SimCrash
        if session.state != "open":
            raise DatabaseUnavailable(NAME, "the connection was lost")

    def _commit(self, session: Session) -> None:
        strikes = self._world.strikes
        reach(CrashPoint.BEFORE_COMMIT)
        self._still_open(session)
        if strikes("connection lost"):
            raise DatabaseUnavailable(NAME, "the connection was lost")
        session.state = "committing"
        if strikes("answer lost, decided later"):
            self._lose("decided later")
        if strikes("answer lost, rolled back"):
            session.state = "gone"
            self._lose("rolled back")
        self._finish(session)
        reach(CrashPoint.COMMIT_SENT)

    def _finish(self, session: Session) -> None:
        """Commit on the server, and wait for the answer."""
        if self._server.dice.random() < PAUSE_AT_COMMIT:
            current().pause("commits")
        if not session.heard:
            self._lose("the server went down")
        if session.state == "committing":
            self._server.apply(session)
        if session.state == "committed":
            self._server.release(session)
        if self._world.now <= self._server.alone_until:
            self._lose("nobody could wait for the standby any longer")
        if self._world.strikes("answer lost, committed"):
            self._server.replicate(sometimes=True)
            self._lose("committed")
        if session.state == "committed":
            self._server.replicate()

    def _lose(self, how: str) -> None:
        self._world.recover()
        raise OutcomeUnknown(how)

    def _end(self, session: Session) -> None:
        if session.state == "committing":
            # The node is gone, or heard nothing; the server goes on and holds the locks.
            self._server.sessions.remove(session)
            self._server.lingering.append(session)
        else:
            if session.state == "open":
                session.state = "gone"
            self._server.release(session)
