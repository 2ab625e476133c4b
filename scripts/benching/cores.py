"""Pinning the whole process to some of its cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# What the process was given when it started.
GIVEN: Final = frozenset(os.sched_getaffinity(0))


@contextmanager
def pinned(cores: int | None) -> Iterator[None]:
    """Let every thread of this process use only the first `cores` of the cores it was given.

    Threads that are started meanwhile inherit it. None stands for all.
    """
    before = os.sched_getaffinity(0)
    _pin(set(sorted(GIVEN)[:cores]))
    try:
        yield
    finally:
        _pin(before)


def _pin(cores: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        # A thread may have ended since the folder was listed.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)
