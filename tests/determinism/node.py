"""A node: one process with the product's writer and publisher, which may die at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.application import Accepted, Ledger, Outcome
from ledger.errors import LedgerError, QueueFull, WriteContended, WriteLocked
from ledger.log.errors import LogError, MarkMoved, StorageError
from ledger.log.extending import KeyTreeSigner
from ledger.log.gate import Gate
from ledger.log.mark import Mark
from ledger.log.publisher import Publisher
from ledger.log.receipts import Issuer
from ledger.queue import Bounds
from ledger.record.errors import (
    DatabaseUnavailable,
    EntryDamaged,
    HeadMoved,
    KeyNotStored,
    OutcomeUnknown,
    VaultError,
)
from ledger.rules.errors import RuleError
from ledger.writer import Writer
from tests.determinism.judge import Moment, Violation, hold
from tests.determinism.server import NodeLink
from tests.determinism.simnet import SimClock
from tests.determinism.tasks import SimCrash, Task, current
from tests.determinism.wares import Ware

if TYPE_CHECKING:
    from tests.determinism.world import Simulation

MARK = "mark"
TRY_AGAIN = (DatabaseUnavailable, OutcomeUnknown, WriteContended)


@dataclass(frozen=True)
class Request:
    """Commands as they arrived together, and who waits for the answers."""

    client: str
    wares: tuple[Ware, ...]


class Waiter(threading.Event):
    """Waits for the writer in place of a thread: takes the answers when both sides are there."""

    def __init__(self, node: Node, request: Request) -> None:
        super().__init__()
        self._node, self._request = node, request
        self._entered: Any = None
        self._done = False
        self._moment, self._since = node.sim.judge.now(), node.sim.now

    def enter(self, entered: Any) -> None:
        """Note what the writer gave; the answer may be there already."""
        self._entered = entered
        if self._done:
            self._answer(entered)

    def set(self) -> None:
        self._done = True
        if self._entered is not None:
            self._answer(self._entered)

    def _answer(self, entered: Any) -> None:
        results = entered.results()
        self._node.answer(self._request, results, self._moment, since=self._since)


class SimVault:
    """Boxes nothing; sometimes its disk is full."""

    def __init__(self, strikes: Callable[[str], bool]) -> None:
        self._strikes = strikes

    def session(self) -> SimVault:
        return self

    def seal(self, subject: str, *, index: int, name: str, value: bytes) -> bytes:
        if self._strikes("vault error"):
            raise KeyNotStored(subject, reason="no space left on device")
        return f"{subject} {index} {name} ".encode() + value


class WatchedSigner:
    """Signs trees, and shows each to the judge at the moment of signing."""

    def __init__(self, sim: Simulation) -> None:
        self._sim, self._key = sim, sim.template.world.key("checkpoint")
        self.alg, self.public, self.key_id = self._key.alg, self._key.public, self._key.key_id

    def sign(self, message: bytes) -> bytes:
        self._sim.signing(message)
        return self._key.sign(message)


class Node:
    """One process on the one machine of the simulation."""

    def __init__(self, sim: Simulation, number: int) -> None:
        self.sim, self.name = sim, f"node {number}"
        skew_us = int(sim.options.skew_s[number] * 1_000_000)
        drift = sim.dice["clock"].uniform(-0.02, 0.02)
        self.clock = SimClock(lambda: sim.now, skew_us=skew_us, drift=drift)
        self.link: NodeLink | None = None
        self.tasks: list[Task] = []
        self.ready = False
        self.refusals = 0
        self.cut_until = 0

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.link is not None

    def busy(self, name: str) -> bool:
        """Whether a task of this name is under way."""
        return any(task.name == name for task in self.tasks)

    def begin(self, name: str, work: Callable[[], object]) -> None:
        """Begin a task; it runs when its turn comes."""
        task = Task(name, work)
        self.tasks.append(task)

    # Life and death

    def start(self) -> None:
        """Start the process; it takes commands once it has read the head."""
        sim = self.sim
        self.link = NodeLink(sim.server, sim, read_pause=sim.options.read_pause)
        self.begin("start", self._start)

    def _start(self) -> None:
        sim = self.sim
        assert self.link is not None
        recorder = sim.make_recorder(self.link)
        world = sim.template.world
        mark = Mark(sim.disk.path(MARK))  # type: ignore[arg-type]
        self.gate = Gate(recorder, mark, world.vkey)
        try:
            ledger = Ledger(
                recorder,
                clock=self.clock,
                issue=Issuer(world.key("receipt"), origin=world.origin),
                vault=SimVault(sim.strikes),  # type: ignore[arg-type]
                origin=world.origin,
                guard=self.gate.admit_writing,
                takes_turns=True,
            )
            # As every start does: entry 0 names the key, and the gate looks.
            ledger.opened()
            self.gate.look()
        except (*TRY_AGAIN, LogError, EntryDamaged) as error:
            self._excuse(error)
            sim.outcome("start fails")
            self.die()
            raise SimCrash from None
        bounds = Bounds(commands=8, batch=sim.options.batch_max)
        self.writer = Writer(ledger, bounds=bounds, monotonic=lambda: sim.now / 1_000_000)
        signer = KeyTreeSigner(WatchedSigner(sim), origin=world.origin, vkey=world.vkey, mark=mark)
        self.recorder = recorder
        self.publisher = Publisher(recorder, signer, world.origin, world.vkey)
        self.ready = True

    @property
    def working(self) -> bool:
        """Whether something is under way, or must be before the node can work."""
        return bool(self.tasks) or not self.ready or bool(self.writer.load().commands)

    def die(self) -> None:
        """Be killed: whatever is under way stops where it is."""
        assert self.link is not None
        self.link.alive = False
        self.link, self.ready = None, False
        self.sim.recover()

    def bury(self) -> None:
        """Unwind what was under way when the process died."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            if not task.dead:
                with suppress(SimCrash):
                    task.throw(SimCrash)

    # Writing

    def take(self, request: Request) -> None:
        """Hand commands to the writer."""
        self.begin("take", lambda: self._take(request))

    def _take(self, request: Request) -> None:
        submissions = [ware.submission for ware in request.wares]
        waiter = Waiter(self, request)
        try:
            waiter.enter(self.writer._enter(submissions, waiter))
        except QueueFull as full:
            self.sim.outcome("QueueFull")
            self._send(request, [full] * len(request.wares))

    def write(self) -> None:
        """Let the writer do what its thread does once."""
        self.begin("write", self.writer.pump)

    def answer(
        self,
        request: Request,
        results: Sequence[Outcome | Exception],
        moment: Moment,
        *,
        since: int,
    ) -> None:
        """Send the answers; the commands came at `moment`, which was `since` in the world."""
        # A clock that was set back since they were decided was later then.
        clock = self.clock.latest(since)
        for ware, outcome in zip(request.wares, results, strict=True):
            self._judge(ware, outcome, moment, clock)
        self._send(request, results)

    def _judge(self, ware: Ware, outcome: Outcome | Exception, moment: Moment, clock: int) -> None:
        sim = self.sim
        if isinstance(outcome, Accepted):
            sim.outcome("accepted again" if outcome.again else "accepted")
            sim.judge.accepted(ware.digest, outcome, moment)
        elif isinstance(outcome, TRY_AGAIN):
            sim.outcome(type(outcome).__name__)
        elif isinstance(outcome, WriteLocked):
            hold(sim.judge.rolled_back, "locked without a reason", outcome)
            sim.outcome("write locked")
        elif isinstance(outcome, (RuleError, LedgerError, VaultError)):
            sim.outcome(f"refused: {outcome.code}")
            sim.judge.refused(ware, outcome, moment=moment, clock=clock)
        else:
            # A damaged row may make the writer stumble; it may not make it lie.
            if sim.judge.forbidden_from is None:
                raise Violation("undocumented error", repr(outcome)) from outcome
            sim.outcome("writer stumbles over damage")

    def _send(self, request: Request, outcomes: Sequence[Outcome | Exception]) -> None:
        for ware, outcome in zip(request.wares, outcomes, strict=True):
            self.sim.send(self, request.client, "answer", (ware, outcome))

    def raise_term(self) -> None:
        """Begin a new writer's term, as a new leader does."""

        def work() -> None:
            with suppress(HeadMoved, *TRY_AGAIN):
                self.recorder.raise_epoch(self.recorder.head())

        self.begin("term", work)

    # Publishing

    def keep(self) -> None:
        """Look where the database stands, and publish."""
        self.begin("keep", self._keep)

    def _keep(self) -> None:
        sim = self.sim
        try:
            self.gate.look()
            self.gate.admit_writing()
            note = self.publisher.publish()
        except TRY_AGAIN as error:
            sim.outcome(f"publisher: {type(error).__name__}")
        except (LogError, WriteLocked, OSError) as error:
            self._excuse(error)
            sim.outcome(f"publisher: {type(error).__name__}")
        else:
            sim.outcome("published" if note else "nothing to publish")
            if note:
                sim.judge.show(note)

    def _excuse(self, error: Exception) -> None:
        """Find the reason why something was not published; there must be one."""
        if isinstance(error, TRY_AGAIN):
            return
        if isinstance(error, StorageError | WriteLocked | EntryDamaged):
            if self.sim.judge.forbidden_from is None:
                raise Violation("a sound log was refused", repr(error)) from error
            self.refusals += 1
        elif not isinstance(error, MarkMoved) and not current().disk_errors:
            raise Violation("publisher failed on a sound disk", repr(error)) from error
