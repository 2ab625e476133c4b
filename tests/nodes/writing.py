"""A node that writes while its database breaks, and sends again whatever it does not know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from ledger.application import Accepted, Submission
from ledger.errors import WriteContended
from ledger.record.errors import DatabaseUnavailable, OutcomeUnknown
from ledger.rules.commands import read_command
from tests.worlds import World

BATCHES = [1, 1, 1, 2, 3, 8]


@dataclass
class Node:
    """One writer of a log: registers items of its own, batch by batch."""

    world: World
    name: str
    random: Random
    receipts: dict[str, Accepted] = field(default_factory=dict)
    """Command digest to outcome, for every command that was acknowledged."""
    open: list[Submission] = field(default_factory=list)
    """The batch that was sent and not answered."""
    unknown: int = 0
    """How often COMMIT gave no answer."""
    failed: int = 0
    """How often the database refused before COMMIT."""
    resolved: int = 0
    """Commands that turned out to be durable when they were sent again."""
    notices: list[str] = field(default_factory=list)
    _made: int = 0

    def write_until(self, done: threading.Event) -> None:
        """Write batches until told to stop; a batch that got no answer is sent again at once."""
        while not done.is_set():
            self.step()

    def step(self) -> None:
        """Send the batch that is open, or a new one, once."""
        try:
            if not self.open:
                self.open = [self._submission() for _ in range(self.random.choice(BATCHES))]
            outcomes = self.world.send(*self.open)
        except OutcomeUnknown as error:
            self.unknown += 1
            self.notices.append(error.reason)
            return
        except (DatabaseUnavailable, WriteContended):
            self.failed += 1
            return
        for submission, outcome in zip(self.open, outcomes, strict=True):
            assert isinstance(outcome, Accepted), outcome
            self.resolved += outcome.again
            self.receipts[read_command(submission.command).digest] = outcome
        self.open = []

    def finish(self) -> None:
        """Send what is open until it is answered."""
        for _ in range(100):
            if not self.open:
                return
            self.step()
        raise AssertionError("a batch was never answered")

    def _submission(self) -> Submission:
        self._made += 1
        return self.world.submission(self.world.item_draft(f"cards/{self.name}-{self._made}"))


def furnish(world: World) -> None:
    """Register who owns the namespace of the items."""
    world.register("shop")
    world.open_namespace("cards", "shop")


def in_background(work: Callable[[], None], failures: list[BaseException]) -> threading.Thread:
    """Run in a thread; what it raises is kept."""

    def run() -> None:
        try:
            work()
        except BaseException as error:  # a thread must not swallow it
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
