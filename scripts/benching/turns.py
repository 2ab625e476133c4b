"""The words of the benchmark: a turn, and a line of the table.

A turn is two pieces of work whose inputs are made before any clock starts. Each is run once, right
after the other, and gives its cost in seconds for one unit.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from benching.bench import Bench

Turns: TypeAlias = "Generator[Turn, None, None]"
"""Turns without end: sets up before the first, cleans up when closed."""

Cost = Callable[[], float]
"""Does a piece of work and returns its cost: seconds for one unit."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is measured and what it is compared with; `units` of our work, for profiles."""

    ours: Cost
    base: Cost
    units: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        name: As it is printed.
        target: What the ratio must reach, or must not pass.
        turns: Makes the turns.
        at_most: The ratio is our cost over the other, and the target its limit; else it is our
            rate over the other.
        cores: How many cores the process may use, None for all.
        turns_a_round: Turns whose costs are added up for one round.

    """

    name: str
    target: float
    turns: Callable[[Bench], Turns]
    at_most: bool = False
    cores: int | None = None
    turns_a_round: int = field(default=2)

    def ratio(self, ours: float, base: float) -> float:
        """Compare two costs."""
        return ours / base if self.at_most else base / ours

    def holds(self, ratio: float) -> bool:
        """Say whether a ratio reaches the target."""
        return ratio <= self.target if self.at_most else ratio >= self.target


class NotMeasured(Exception):
    """The machine lacks what the line needs; the message says what."""


class Clocks:
    """Which clock costs are taken from: the one on the wall, or the processor's.

    `timer` goes off by that clock and sends `alarm`, by which a profile takes its samples.
    """

    now_s: ClassVar[Callable[[], float]] = staticmethod(time.perf_counter)
    timer: ClassVar[int] = signal.ITIMER_REAL
    alarm: ClassVar[signal.Signals] = signal.SIGALRM

    @classmethod
    def use_processor_time(cls) -> None:
        """Leave out all waiting: a hint on a busy machine, and no figure."""
        cls.now_s = staticmethod(_processor_s)
        cls.timer, cls.alarm = signal.ITIMER_PROF, signal.SIGPROF


def _processor_s() -> float:
    """Add what processes of this one took that have ended: a core more is not for nothing."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def timed(work: Callable[[], object], units: int) -> Cost:
    """Make the cost of a piece of work from the time it takes.

    Args:
        work: Run once each time the cost is asked for.
        units: How many units it does.

    """

    def cost() -> float:
        start = Clocks.now_s()
        work()
        return (Clocks.now_s() - start) / units

    return cost
