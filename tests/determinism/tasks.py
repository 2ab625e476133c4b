"""Tasks that take turns in one thread: each runs until it pauses, and the seed picks the next.

A task is a greenlet, so that the product's ordinary calls can be left and taken up again in the
middle, wherever they touch the database, the disk or a named crash point.
"""

from __future__ import annotations

from collections.abc import Callable

from greenlet import getcurrent, greenlet


class SimCrash(BaseException):
    """The process is dead; nothing it does after this has any effect."""


class Task(greenlet):
    """One activity of one node."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        super().__init__()
        self.name = name
        self.work = work
        self.at = "begins"
        self.waits_for: str | None = None
        self.disk_errors = 0

    def run(self) -> None:
        """Work to the end, or until the node dies."""
        try:
            self.work()
        except SimCrash:
            self.at = "died"

    def pause(self, at: str, *, lock: str | None = None) -> None:
        """Let others run; with `lock`, until it is free."""
        self.at, self.waits_for = at, lock
        assert self.parent is not None
        self.parent.switch()
        self.waits_for = None


def current() -> Task:
    """The task that is running."""
    task = getcurrent()
    assert isinstance(task, Task)
    return task
