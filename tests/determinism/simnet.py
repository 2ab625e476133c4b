"""A network that delays, drops, doubles and reorders; and clocks that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

DELAY_US = (1_000, 400_000)
LONG_DELAY_US = (1_000_000, 30_000_000)
JUMP_S = 240


@dataclass(eq=False)
class Message:
    """Something on its way."""

    due: int
    to: str
    what: str
    body: Any


class SimNet:
    """Messages between clients and nodes; several may arrive at once, in any order."""

    def __init__(self, dice: Random, strikes: Callable[[str], bool]) -> None:
        self._dice, self._strikes = dice, strikes
        self.on_the_way: list[Message] = []

    def send(self, now: int, to: str, what: str, body: Any) -> None:
        """Send one message; `what` is `request` or `answer`."""
        if self._strikes(f"{what} dropped"):
            return
        copies = 2 if self._strikes("message doubled") else 1
        for _ in range(copies):
            span = LONG_DELAY_US if self._strikes("message delayed") else DELAY_US
            self.on_the_way.append(Message(now + self._dice.randint(*span), to, what, body))

    def due(self, now: int) -> bool:
        """Say whether something arrives."""
        return any(message.due <= now for message in self.on_the_way)

    def next_due(self) -> int | None:
        """When the next message arrives, if any is on its way."""
        return min((message.due for message in self.on_the_way), default=None)

    def take(self, now: int) -> Message:
        """Take one of those that are due; which one is up to the dice."""
        ready = [message for message in self.on_the_way if message.due <= now]
        message = self._dice.choice(ready)
        self.on_the_way.remove(message)
        return message


class SimClock:
    """A node's clock: off by some seconds, too fast or too slow, and it may jump."""

    def __init__(self, world_now: Callable[[], int], *, skew_us: int, drift: float) -> None:
        self._world_now, self._drift = world_now, drift
        self._start = world_now()
        self._skew_us = skew_us
        # When it was set to another time, and what it showed until then.
        self._jumps: list[tuple[int, int]] = []

    def now(self) -> int:
        """What it shows, in microseconds."""
        real = self._world_now()
        return real + self._skew_us + int((real - self._start) * self._drift)

    def latest(self, since: int) -> int:
        """Return the latest time that it showed since a moment of the world."""
        return max([self.now(), *(shown for at, shown in self._jumps if at >= since)])

    def jump(self, dice: Random) -> None:
        """Set it to another time, forward or backward."""
        self._jumps.append((self._world_now(), self.now()))
        self._skew_us = dice.randint(-JUMP_S, JUMP_S) * 1_000_000
