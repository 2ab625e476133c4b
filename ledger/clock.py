"""Time as an argument: the port through which the ledger learns what time it is.

Times are whole microseconds since 1970-01-01T00:00:00Z. Nothing below this room asks a clock.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

_NANOSECONDS_PER_MICROSECOND: Final = 1_000


class Clock(Protocol):
    """Something that knows the time."""

    def now(self) -> int:
        """Return the time in microseconds since the epoch, UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> int:
        """Return the machine's time in microseconds since the epoch, UTC."""
        return time.time_ns() // _NANOSECONDS_PER_MICROSECOND


class FixedClock:
    """A clock that stands still until it is told to move: for tests and the demo."""

    def __init__(self, at_us: int) -> None:
        self._now_us = at_us

    def now(self) -> int:
        """Return the time in microseconds since the epoch, UTC."""
        return self._now_us

    def advance(self, by_us: int) -> None:
        """Move the clock forward.

        Args:
            by_us: Microseconds to add, 0 or more.

        Raises:
            ValueError: `by_us` is negative; time does not run backward by itself.

        """
        if by_us < 0:
            message = f"a clock cannot advance by {by_us} microseconds"
            raise ValueError(message)
        self._now_us += by_us
