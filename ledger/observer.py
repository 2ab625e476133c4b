"""What the writer tells about itself: to metrics and logs, which live elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.application import Outcome


@dataclass(frozen=True, slots=True)
class Committed:
    """What happened to one batch.

    Attributes:
        outcomes: Of its commands, in order; empty when the commit failed.
        commands: How many they were.
        commit_s: How long deciding and committing took, in seconds.
        waits_s: Seconds from arrival to answer, for every request that it completed.
        failure: Why the commit failed, if it did.

    """

    outcomes: Sequence[Outcome]
    commands: int
    commit_s: float
    waits_s: Sequence[float]
    failure: Exception | None


@dataclass(frozen=True, slots=True)
class Load:
    """What waits now: commands, their bytes, and the age of the oldest in seconds."""

    commands: int
    bytes_: int
    age_s: float


class Observer(Protocol):
    """Is told what happened, after those who waited for it; must not raise."""

    def committed(self, batch: Committed) -> None:
        """Take note of a batch that was committed, or failed."""
        ...


class Nobody:
    """Takes no notice."""

    def committed(self, batch: Committed) -> None:
        """Do nothing."""
