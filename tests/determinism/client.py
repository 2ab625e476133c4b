"""A client: signs commands, sends them, and sends the same bytes again until it has an answer."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from ledger.application import Accepted
from ledger.errors import LedgerError, QueueFull, WriteContended, WriteLocked
from ledger.record.errors import KeyNotStored
from ledger.rules.errors import RuleError
from tests.determinism.node import Request
from tests.determinism.wares import ITEMS, REGISTERED, Ware

if TYPE_CHECKING:
    from tests.determinism.world import Simulation

TIMEOUT_US = 12_000_000
CHAIN, REPLAY, CANCEL, SAME_ITEM = 0.15, 0.05, 0.04, 0.6


@dataclass
class Waiting:
    """A command without a final answer."""

    ware: Ware
    again_at: int = 0
    tries: int = 0


class Client:
    """Sends commands about items, of whose heads it knows only what it was told."""

    def __init__(self, sim: Simulation, number: int, dice: Random) -> None:
        self.sim, self.name, self._dice = sim, f"client {number}", dice
        self.waiting: dict[str, Waiting] = {}
        # Around the middle: some are registered, some are not yet.
        half = sim.options.items // 2
        self._items = ITEMS[REGISTERED - half : REGISTERED + half]
        registered = ITEMS[REGISTERED - half : REGISTERED]
        self.known: dict[str, Ware] = {item: sim.root(item) for item in registered}
        self._last = dice.choice(self._items)
        self.sent: list[Ware] = []
        self.answered: dict[str, Any] = {}

    def can_act(self) -> bool:
        """Whether there is something to send."""
        if any(one.again_at <= self.sim.now for one in self.waiting.values()):
            return True
        return not self.sim.calm and len(self.waiting) < self.sim.options.outstanding

    def act(self) -> str:
        """Send one command, for the first time or again, or some that build on each other."""
        for one in self.waiting.values():
            if one.again_at <= self.sim.now:
                return self._send([one])
        wares = [self._choose()]
        while self._dice.random() < CHAIN and "!" not in wares[-1].path:
            wares.append(self._child(wares[-1]))
        return self._send([self.waiting.setdefault(ware.digest, Waiting(ware)) for ware in wares])

    def _send(self, some: list[Waiting]) -> str:
        for one in some:
            one.tries += 1
            one.again_at = self.sim.now + TIMEOUT_US
            self.sent.append(one.ware)
        node = self._dice.choice(self.sim.nodes)
        request = Request(self.name, tuple(one.ware for one in some))
        self.sim.send(node, node.name, "request", request)
        told = " ".join(f"{one.ware.item}:{one.ware.path}#{one.tries}" for one in some)
        return f"{told} to {node.name}"

    def _choose(self) -> Ware:
        dice = self._dice
        if self.sent and dice.random() < REPLAY:
            return dice.choice(self.sent)
        item = self._last if dice.random() < SAME_ITEM else dice.choice(self._items)
        self._last = item
        if item not in self.known:
            return self.sim.root(item)
        ware = self._child(self.known[item])
        return ware.cancelled() if dice.random() < CANCEL else ware

    def _child(self, ware: Ware) -> Ware:
        return ware.child(self._dice.choice(ware.steps))

    def answer(self, ware: Ware, outcome: Any) -> None:
        """Take an answer, which may be an old one."""
        if isinstance(outcome, Accepted):
            before = self.answered.setdefault(ware.digest, (outcome.index, outcome.leaf))
            assert before == (outcome.index, outcome.leaf), "two receipts that differ"
            self.waiting.pop(ware.digest, None)
            self.known[ware.item] = self.sim.head_of(ware.item)
        elif _final(outcome):
            self.waiting.pop(ware.digest, None)
            # Whoever is refused looks at the item before the next try.
            self.known[ware.item] = self.sim.head_of(ware.item)
        elif ware.digest in self.waiting:
            self.waiting[ware.digest].again_at = self.sim.now + TIMEOUT_US // 10

    def forget(self) -> None:
        """Follow a restored database: receipts for what is gone are another matter."""
        self.answered.clear()
        self.known = {item: self.sim.head_of(item) for item in self.known}


def _final(outcome: Any) -> bool:
    if isinstance(outcome, (KeyNotStored, QueueFull, WriteContended, WriteLocked)):
        return False
    return isinstance(outcome, (RuleError, LedgerError))
