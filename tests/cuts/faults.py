"""One operation of the disk fails, once or from then on, while the product opens and works.

The client does what a client must: an error is no answer, so it sends the same bytes again, first
while the fault may still be there, then when it is gone. The same `Ledger` goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from ledger.application import Accepted, Submission
from ledger.record.errors import DatabaseUnavailable, OutcomeUnknown
from ledger.record.schema import migrate
from tests.cuts.cutting import Tally, dice_of, disks, lay_out
from tests.cuts.recovery import PROCESS, State, laid_out
from tests.cuts.runs import ObservedWorld, Run, open_product, set_up, settings_of
from tests.cuts.vfs import RecordingVFS, Verb, no_fault, recording
from tests.worlds import SECOND_US

TRIES_WITH_THE_FAULT = 2
NEVER = 1 << 62
UNCUT = "uncut"
SHORT, LONGER = "short", "longer"
T = TypeVar("T")

_CODES = {
    Verb.READ: apsw.SQLITE_IOERR_READ,
    Verb.WRITE: apsw.SQLITE_IOERR_WRITE,
    Verb.TRUNCATE: apsw.SQLITE_IOERR_TRUNCATE,
    Verb.SYNC: apsw.SQLITE_IOERR_FSYNC,
    Verb.SIZE: apsw.SQLITE_IOERR_FSTAT,
    Verb.DELETE: apsw.SQLITE_IOERR_DELETE,
    Verb.ACCESS: apsw.SQLITE_IOERR_ACCESS,
}


class Manner(Enum):
    """How an operation fails."""

    ONCE = "once"
    FROM_THEN_ON = "from then on"
    """This one and every later one, of any kind, until the fault is repaired."""
    SAME_FROM_THEN_ON = "its kind from then on"
    FULL = "disk full"
    """This write and every later one, until there is space; all else works."""


@dataclass(slots=True)
class Fault:
    """Fails operation number `at`, counted from 0, in one of the manners."""

    at: int
    manner: Manner
    hits: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Every operation until now, with the name of its file."""

    @property
    def verb(self) -> str:
        """What kind of operation it was; known once it happened."""
        return self.seen[self.at][0]

    def __call__(self, verb: str, name: str) -> apsw.Error | None:
        """Answer for one operation."""
        number = len(self.seen)
        self.seen.append((verb, name))
        if not self._hit(number, verb):
            return None
        self.hits += 1
        return failure(verb, full=self.manner is Manner.FULL)

    def _hit(self, number: int, verb: str) -> bool:
        if number <= self.at or self.manner is Manner.ONCE:
            return number == self.at
        return self.manner is Manner.FROM_THEN_ON or verb == self.verb


def name_of(fault: Fault, *, longer: bool) -> str:
    """Name a session by what fails in it; `fault_of` reads it."""
    where = LONGER if longer else SHORT
    return f"operation {fault.at} of {where} work fails: {fault.manner.value}"


def fault_of(name: str) -> tuple[Fault, bool]:
    """Read the name of a session: what fails, and whether its work is the longer one."""
    words, _, manner = name.partition(" fails: ")
    _, at, _, where, _ = words.split()
    return Fault(int(at), Manner(manner)), where == LONGER


def failure(verb: str, *, full: bool) -> apsw.Error:
    """The error that SQLite's file system reports for a failed operation."""
    if full:
        return _error(apsw.FullError("no space left on device"), apsw.SQLITE_FULL)
    if verb == Verb.OPEN:
        return _error(apsw.CantOpenError("cannot open"), apsw.SQLITE_CANTOPEN)
    return _error(apsw.IOError(f"{verb} failed"), _CODES[verb])


def _error(error: apsw.Error, code: int) -> apsw.Error:
    error.result, error.extendedresult = code & 0xFF, code
    return error


@dataclass(slots=True)
class Session:
    """One opening of a ledger and some work, with whatever failed in it."""

    run: Run
    folder: Path
    errors: Counter[str] = field(default_factory=Counter)


class Client:
    """Asks again after an error; knows which errors promise that nothing was changed."""

    def __init__(self, vfs: RecordingVFS, fault: Fault, errors: Counter[str]) -> None:
        self._vfs, self._fault, self._errors = vfs, fault, errors
        vfs.fault = fault

    def insist(self, action: Callable[[], T], unchanged: Callable[[], bool] | None = None) -> T:
        """Do something that may fail while the fault lasts and must succeed when it is gone.

        Only the two errors that say what is known of the outcome may come.

        Args:
            action: Tried twice, and once more when both failed and the fault is repaired.
            unchanged: Whether the record is as it was before the first try.

        """
        known = True
        for _ in range(TRIES_WITH_THE_FAULT):
            try:
                return action()
            except DatabaseUnavailable as error:
                self._errors[type(error).__name__] += 1
                if self._fault.manner is Manner.ONCE and known and unchanged is not None:
                    assert unchanged(), "an error said that nothing was changed"
            except OutcomeUnknown as error:
                self._errors[type(error).__name__] += 1
                known = False
        self._vfs.fault = no_fault
        if known and unchanged is not None:
            assert unchanged(), "an error said that nothing was changed"
        return action()

    def ask(self, question: Callable[[], T]) -> T:
        """Learn something as if the fault were not there; it stays."""
        fault, self._vfs.fault = self._vfs.fault, no_fault
        try:
            return question()
        finally:
            self._vfs.fault = fault


def work(run: Run, state: State, fault: Fault, workplace: Path, *, longer: bool) -> Session:
    """Open what is left, with `fault` at work, and let clients send what they had sent and more.

    Args:
        run: The run that ended.
        state: What it left.
        fault: Answers for every operation.
        workplace: The folder of that run, with its vault.
        longer: Whether new batches are sent twice, and SQLite's log is written back now and then.

    """
    folder = laid_out(state, workplace)
    before = run.promises(state.cut)
    with recording(state.name.encode(), state.disk.copy()) as vfs, ExitStack() as stack:
        again = Run(
            f"{state.name}/{name_of(fault, longer=longer)}",
            vfs.operations,
            run.oracle,
            before=before,
        )
        session = Session(again, folder)
        client = Client(vfs, fault, session.errors)

        def open_world() -> ObservedWorld:
            with ExitStack() as opening:
                engine = opening.enter_context(open_product(folder, vfs))
                if longer:
                    set_up(engine, settings_of(run.name))
                migrate(engine)
                vault = folder / "vault"
                world = ObservedWorld(engine, vault, again, seed=run.name, process=PROCESS)
                stack.push(opening.pop_all())
            return world

        world = client.insist(open_world)
        world.clock.advance(len(run.batches) * SECOND_US)
        for batch in _batches(run, state, partial(_registration, world, client), longer=longer):
            unchanged = _same_size(world, client.ask(world.size))
            outcomes = client.insist(partial(world.send, *batch), unchanged)
            assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        _publish(client, world, again)
    return session


def _batches(
    run: Run, state: State, register: Callable[[str], Submission], *, longer: bool
) -> Iterator[list[Submission]]:
    """First what clients send again, then new commands; in longer work each batch comes twice."""
    yield run.repeated(state.cut)
    for items in (("cards/new-1", "cards/new-2"), ("cards/new-3",))[: 2 if longer else 1]:
        batch = [register(item) for item in items]
        yield batch
        if longer:
            yield batch


def _registration(world: ObservedWorld, client: Client, item: str) -> Submission:
    return client.ask(lambda: world.submission(world.item_draft(item)))


def _same_size(world: ObservedWorld, size: int) -> Callable[[], bool]:
    return lambda: world.size() == size


def _publish(client: Client, world: ObservedWorld, run: Run) -> None:
    note = client.insist(world.publish)
    if note is None:
        # Published by a try that gave no answer: it is shown now.
        latest = world.recorder.latest_checkpoint()
        assert latest is not None
        run.shown.append((len(run.operations), (latest.size, latest.note)))


@dataclass(slots=True)
class Sweep:
    """What was found when every operation failed in turn."""

    operations: int = 0
    """How many operations the session has when none fails; each failed in turn."""
    sessions: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    verbs: Counter[str] = field(default_factory=Counter)


def sweep(
    run: Run, state: State, workplace: Path, manners: Collection[Manner], *, longer: bool
) -> Sweep:
    """Let every operation of a session fail, one after the other, in each manner.

    Args:
        run: The run that ended.
        state: What it left.
        workplace: The folder of that run, with its vault.
        manners: How to fail; a full disk fails writes only.
        longer: As for `work`.

    """
    states = workplace / "states"
    states.mkdir(exist_ok=True)
    nothing = Fault(NEVER, Manner.ONCE)
    assert not work(run, state, nothing, workplace, longer=longer).errors
    found = Sweep(operations=len(nothing.seen))
    for at, (verb, _) in enumerate(nothing.seen):
        for manner in manners:
            if manner is Manner.FULL and verb != Verb.WRITE:
                continue
            fault = Fault(at, manner)
            session = work(run, state, fault, workplace, longer=longer)
            assert fault.hits > 0, session.run.name
            assert fault.verb == verb, session.run.name
            found.sessions += 1
            found.errors += session.errors
            found.tally += judge(session, state, states)
        found.verbs[verb] += 1
    return found


def judge(session: Session, state: State, folder: Path) -> Tally:
    """Judge the database as it is, and after a power cut at each promise.

    Args:
        session: What was done.
        state: What it began with.
        folder: Where states are laid out.

    """
    tally = Tally()
    run = session.run
    end = len(run.operations)
    tally.add(run, f"{run.name}/{end}/{UNCUT}", end, session.folder / "db" / "ledger.sqlite")
    promised = {at for at, _ in (*run.acknowledged, *run.shown)}
    for cut, disk in disks(run.operations, state.disk):
        if cut in promised:
            name = f"{run.name}/{cut}/0"
            tally.add(run, name, cut, lay_out(disk.cut(dice_of(name)), folder))
    return tally
