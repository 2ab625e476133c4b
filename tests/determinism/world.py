"""One simulated world: nodes, clients, a database, a disk and a network, moved by one seed.

Each step, the dice pick one thing that may happen next. First comes the phase of faults, with the
judge looking at everything; then every fault is healed, and within a bounded number of steps every
command that was sent must have its answer, and everything must be published.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from ledger.crashpoints import CrashPoint
from ledger.record.facts import SealedEntry
from tests.determinism.auditing import check_end
from tests.determinism.client import Client
from tests.determinism.disasters import STRIKES, flip, kill, restore
from tests.determinism.judge import Judge, hold, read_note
from tests.determinism.node import MARK, Node
from tests.determinism.options import STEPS, Options, dice_of
from tests.determinism.server import NodeLink, Server
from tests.determinism.simdisk import SimDisk
from tests.determinism.simnet import SimNet
from tests.determinism.simrecorder import SimRecorder
from tests.determinism.tasks import SimCrash, Task, current
from tests.determinism.wares import ITEMS, Ware, template

LIVE_STEPS = 4_000
RECOVERY_STEPS = 25
STEP_US, TICKS_US = 200_000, (1_000_000, 20_000_000, 400_000_000)
PAUSE_AT_POINT = 0.3
# Points that are reached seldom: without this, few seeds would crash there.
SELDOM = {
    *(CrashPoint.INSERTED, CrashPoint.COMMIT_SENT, CrashPoint.COMMITTED),
    *(CrashPoint.TILES_STORED, CrashPoint.SIGNED, CrashPoint.PUBLISHED),
}
MORE_CRASHES, MORE_FAILOVERS = 4, 4
COMPONENTS = ("schedule", "faults", "network", "clock", "disk", "server", "clients")

Choice = tuple[float, str, Callable[[], object]]  # weight, name, what happens


@dataclass
class Result:
    """What became of one seed."""

    options: Options
    verdict: str
    trace: str
    steps: int
    faults: Counter[str]
    outcomes: Counter[str]
    checks: Counter[str]


@dataclass
class Fitting:
    """What is put together: planted bugs put in other parts."""

    recorder: Callable[[NodeLink], SimRecorder] = SimRecorder
    server: Callable[..., Server] = Server


class Simulation:
    """A world that runs to its end, or to the first violation."""

    def __init__(self, options: Options, fitting: Fitting | None = None) -> None:
        self.options = options
        self.template = template(options.base)
        self.dice = {name: dice_of(options.seed, name) for name in COMPONENTS}
        self.now, self.steps = self.template.now, 0
        self.faults: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.calm = False
        self._recovering_until = -1
        self._trace = sha256()
        self.told: list[str] | None = None
        fitting = fitting or Fitting()
        self.make_recorder = fitting.recorder
        database = self.template.database.copy()
        self.judge = Judge()
        self.judge.committed(database.entries)
        self.wares = {self.root(item).digest: self.root(item) for item in ITEMS}
        self.begun_at = len(database.entries)
        database.watcher = self.judge.committed
        self.server = fitting.server(database, self, self.dice["server"], options.database)
        self.disk = SimDisk(
            self._disk_step, lambda name: self.pause(f"waits for {name}", lock=name), database.locks
        )
        self.disk.put(MARK, self.template.mark)
        self.net = SimNet(self.dice["network"], self.strikes)
        self.nodes = [Node(self, number) for number in range(options.nodes)]
        self.clients = [
            Client(self, number, self.dice["clients"]) for number in range(options.clients)
        ]
        self._names = {one.name: one for one in (*self.nodes, *self.clients)}
        self.damage: tuple[int, SealedEntry] | None = None
        self._disaster = options.disaster
        for _, (_, shown) in sorted(database.checkpoints.items()):
            size, root = read_note(shown.note)
            self.judge.signed[size] = root

    # What the parts ask for

    def strikes(self, kind: str) -> bool:
        """Throw whether a fault strikes here; one more likely while another is recovered from."""
        rate = self.options.rates.get(kind)
        if rate is None or self.calm:
            return False
        second = self.steps < self._recovering_until
        if self.dice["faults"].random() >= rate * (self.options.second_fault if second else 1):
            return False
        self.faults[kind] += 1
        self.faults["second fault in recovery"] += second
        self.tell(f"fault: {kind}")
        return True

    def recover(self) -> None:
        """Say that something broke: what follows is recovery."""
        self._recovering_until = self.steps + RECOVERY_STEPS

    def outcome(self, what: str) -> None:
        """Count what came of something."""
        self.outcomes[what] += 1
        self.tell(what)

    def tell(self, line: str) -> None:
        """Add a line to the trace."""
        text = f"{self.steps} {self.now} {line}\n"
        self._trace.update(text.encode())
        if self.told is not None:
            self.told.append(text)

    def root(self, item: str) -> Ware:
        """The registration of an item."""
        return template("small").shelf.root(item)

    def head_of(self, item: str) -> Ware:
        """The command that wrote the item's head, as anybody can read it."""
        heads = self.judge.heads.get(f"item/{item}")
        return self.root(item) if heads is None else self.wares[str(heads[-1][1])]

    def send(self, node: Node, to: str, what: str, body: object) -> None:
        """Send a message over the network, unless the node is cut off from it."""
        if node.cut_until <= self.now or self.calm:
            self.net.send(self.now, to, what, body)

    def signing(self, message: bytes) -> None:
        """Show a signature to the judge."""
        size, root = read_note(message)
        self.judge.signature(size, root, self.disk.durable(MARK))

    def _disk_step(self, what: str) -> None:
        if self.dice["disk"].random() < PAUSE_AT_POINT:
            self.pause(f"disk: {what}")
        if self.strikes("disk error"):
            current().disk_errors += 1
            number = self.dice["disk"].choice((errno.EIO, errno.ENOSPC))
            raise OSError(number, "simulated")

    def pause(self, at: str, *, lock: str | None = None) -> None:
        """Let others run; the node may be dead afterwards."""
        task = current()
        node = next((node for node in self.nodes if task in node.tasks), None)
        if node is None:
            raise SimCrash
        task.pause(at, lock=lock)
        if node.link is None or task not in node.tasks:
            raise SimCrash

    def at_point(self, point: CrashPoint) -> None:
        """A named crash point was reached in the product."""
        task = current()
        node = next((node for node in self.nodes if task in node.tasks), None)
        if node is None or not node.alive:
            raise SimCrash
        tries = MORE_CRASHES if point in SELDOM else 1
        if any(self.strikes("crash at a point") for _ in range(tries)):
            self.faults[f"crash at {point.name}"] += 1
            node.die()
            raise SimCrash
        if self.dice["schedule"].random() < PAUSE_AT_POINT:
            self.pause(f"at {point.value}")

    # Steps

    def run(self) -> Result:
        """Play the seed to its end.

        Raises:
            Violation: Something happened that must never happen.

        """
        self.tell(self.options.shown())
        while self.steps < STEPS:
            self._strike()
            self._step()
        self.heal()
        verdict = self._finish()
        self.tell(verdict)
        digest = self._trace.hexdigest()
        return Result(
            self.options, verdict, digest, self.steps, self.faults, self.outcomes, self.judge.checks
        )

    def _step(self) -> None:
        dice = self.dice["schedule"]
        self.steps += 1
        self.now += dice.randint(1, STEP_US)
        choices = self._choices()
        weights = [weight for weight, _, _ in choices]
        _, name, act = dice.choices(choices, weights)[0]
        self.tell(name)
        act()
        for node in self.nodes:
            for task in node.tasks:
                if task.at == "begins":
                    self._run(node, task)
                    break
        for node in self.nodes:
            if not node.alive and node.tasks:
                node.bury()

    def _choices(self) -> list[Choice]:
        found = [choice for node in self.nodes for choice in self._choices_of(node)]
        if self.net.due(self.now):
            found.append((5.0, "network", self._deliver))
        for client in self.clients:
            if client.can_act():
                found.append((2.5, client.name, lambda client=client: self.tell(client.act())))
        if self.server.lingering:
            found.append((0.7, "server ends a lost transaction", self.server.settle_one))
        found.append((0.1, "time passes", self._tick))
        return found

    def _choices_of(self, node: Node) -> Iterator[Choice]:
        locks = self.server.database.locks
        for task in node.tasks:
            if task.waits_for is None or task.waits_for not in locks:
                name = f"{node.name} {task.name}: {task.at}"
                yield 6.0, name, lambda task=task: self._run(node, task)
        if not node.alive:
            yield 0.3, f"{node.name} starts", node.start
        if not node.ready:
            return
        if node.writer.load().commands and not node.busy("write"):
            yield 3.0, f"{node.name} writes", node.write
        if not node.busy("keep"):
            weight = 0.8 if self._unpublished() else 0.08
            yield weight, f"{node.name} publishes", node.keep

    def _run(self, node: Node, task: Task) -> None:
        task.switch()
        if task.dead and task in node.tasks:
            node.tasks.remove(task)

    def _tick(self) -> None:
        due = self.net.next_due()
        self.now += self.dice["clock"].choice(TICKS_US)
        if self.calm and due is not None:
            self.now = max(self.now, due)

    def _deliver(self) -> None:
        message = self.net.take(self.now)
        receiver = self._names[message.to]
        if isinstance(receiver, Client):
            receiver.answer(*message.body)
        elif receiver.ready and receiver.cut_until <= self.now:
            for ware in message.body.wares:
                self.wares[ware.digest] = ware
            receiver.take(message.body)

    # Faults of the whole world

    def _strike(self) -> None:
        for kind, act in STRIKES.items():
            # Seldom does the standby lack something; that is when it must be looked at.
            tries = MORE_FAILOVERS if kind == "failover" and self.server.behind else 1
            if any(self.strikes(kind) for _ in range(tries)):
                act(self, self.dice["faults"].choice(self.nodes))
        if self._disaster and self.steps >= self.options.disaster_at:
            act = restore if self._disaster == "restore" else flip
            if act(self):
                self.faults[self._disaster] += 1
                self._disaster = None

    # After the faults

    def heal(self) -> None:
        """End every fault; what is broken is started again."""
        self.calm = True
        self.server.away_until = self.server.alone_until = 0
        for node in self.nodes:
            node.refusals = 0
        if self.damage is not None:
            index, row = self.damage
            self.server.database.entries[index] = row
            for node in self.nodes:
                kill(self, node)
            self.damage = None
            if not self.judge.built_on_damage:
                self.judge.forbidden_from = None

    def _finish(self) -> str:
        halted = self.judge.forbidden_from is not None
        for _ in range(LIVE_STEPS):
            self._step()
            if self._refused() if halted else self._idle() and not self._unpublished():
                break
        else:
            hold(condition=False, rule="liveness", evidence=self._unfinished())
        check_end(self, halted=halted)
        return "halted" if halted else "live"

    def _idle(self) -> bool:
        waiting = any(client.waiting for client in self.clients)
        working = any(node.working for node in self.nodes)
        return not (waiting or working or self.net.on_the_way or self.server.lingering)

    def _unpublished(self) -> bool:
        latest = self.server.database.latest()
        return latest is None or latest.size < self.server.database.head.size

    def _refused(self) -> bool:
        return all(node.refusals > 0 for node in self.nodes)

    def _unfinished(self) -> str:
        waiting = {client.name: len(client.waiting) for client in self.clients}
        tasks = {node.name: [task.at for task in node.tasks] for node in self.nodes}
        head, latest = self.server.database.head.size, self.server.database.latest()
        shown = latest.size if latest else 0
        return f"waiting {waiting}, tasks {tasks}, published {shown} of {head}"
