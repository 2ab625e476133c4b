"""A ledger of paper: it prepares and commits as it is told, and remembers in which order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ledger.submission import Submission


def command(name: str, *, bytes_: int = 10) -> Submission:
    """A submission that is told apart by its first word, and is so many bytes long."""
    raw = name.encode() + b" "
    return Submission(raw + b"." * (bytes_ - len(raw)), ())


def commands(name: str, count: int) -> list[Submission]:
    return [command(f"{name}{number}") for number in range(count)]


def name_of(submission: Submission) -> str:
    return submission.command.partition(b" ")[0].decode()


class PaperLedger:
    """Takes down every batch. What it answers to a command is the command's name with a mark."""

    def __init__(self) -> None:
        self.prepared: list[str] = []
        self.batches: list[list[str]] = []
        self.before_commit: Callable[[list[str]], object] = lambda _names: None
        self.before_prepare: Callable[[str], object] = lambda _name: None
        self.committing = threading.Event()
        self._lock = threading.Lock()

    @property
    def written(self) -> list[str]:
        """Every command that was committed, in order."""
        return [name for batch in self.batches for name in batch]

    def prepare(self, submission: Submission) -> str:
        name = name_of(submission)
        self.before_prepare(name)
        with self._lock:
            self.prepared.append(name)
        return name

    def commit(self, prepared: Sequence[str]) -> list[Any]:
        names = list(prepared)
        self.committing.set()
        self.before_commit(names)
        self.batches.append(names)
        return [f"{name}!" for name in names]


class StandingClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s
