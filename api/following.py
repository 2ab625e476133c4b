"""What a round of the keeper follows: the streams that certain entries change, as they are now.

Whoever keeps something up that follows from the log reads in each round what was written since the
round before, by whichever process, and hands in what is due.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from api.house import House
from ledger.application import Accepted
from ledger.record.stored import read_stored
from ledger.rules.evolve import evolve
from ledger.rules.state import State, Stream
from ledger.submission import Submission

CHUNK: Final = 256
BACKLOG: Final = 512
"""So many entries of each type are read in one round by who looks at whatever they changed: after a
start all of the log is new, and timers must not wait for it."""


class Follower:
    """Reads what entries of some types changed since it was asked last."""

    def __init__(self, house: House, types: Iterable[str]) -> None:
        """Begin before the first entry."""
        self._house = house
        self._read = dict.fromkeys(types, 0)

    def changed(self, most: int = sys.maxsize) -> list[str]:
        """Name the streams that have new entries of these types, each once.

        Args:
            most: So many entries of each type are read; the rest by the next call.

        """
        of_type, found = self._house.recorder.entries_of_type, dict[str, None]()
        for type_ in self._read:
            start, left = self._read[type_], most
            while left and (rows := of_type(type_, start, limit=min(CHUNK, left))):
                found.update(dict.fromkeys(read_stored(row).stream for row in rows))
                start, left = rows[-1].index + 1, left - len(rows)
            self._read[type_] = start
        return list(found)

    def state(self, stream: str) -> State:
        """Read what a stream says now; it has an entry."""
        found: Stream | None = None
        for row in self._house.recorder.entries_of_streams([stream]):
            found = evolve(found, read_stored(row), command=row.command.hex())
        assert found is not None  # noqa: S101 - said above
        return found.state


def hand_in(house: House, wanted: Sequence[Submission], passed: tuple[type[Exception], ...]) -> int:
    """Hand in what is due, and count what was accepted.

    Args:
        house: Open for writing.
        wanted: At most `CHUNK` commands.
        passed: What the ledger may answer where another process was first, or something changed in
            between: the next round looks again.

    Raises:
        RuleError: The ledger refuses one for another reason.
        DatabaseUnavailable: Nothing was recorded.

    """
    accepted = 0
    for outcome in house.ledger.submit(wanted) if wanted else ():
        if isinstance(outcome, Accepted):
            accepted += 1
        elif not isinstance(outcome, passed):
            raise outcome
    return accepted
