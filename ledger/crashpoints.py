"""Named moments at which a process can die, for the tests that kill it there.

In production nothing is armed and reaching a point costs one comparison. `YINZHENG_CRASH_AT=C5`, or
`C5:3` for the third time, makes the process kill itself with SIGKILL there: no cleanup runs, as at
a power cut. A simulation arms a function instead, which may raise.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum


class CrashPoint(StrEnum):
    """What has happened when the point is reached."""

    QUEUED = "C1"
    """A submission stands in the writer's queue."""
    VERIFIED = "C2"
    """The signatures of a submission hold."""
    DECIDED = "C3"
    """A batch is decided and sealed in memory."""
    INDEXED = "K1"
    """The card keys of a batch are reserved in their index, durably; nothing is recorded."""
    INSERTED = "C4"
    """The rows are inserted in an open transaction."""
    BEFORE_COMMIT = "C5"
    """COMMIT is the next thing to be sent."""
    COMMIT_SENT = "C6"
    """COMMIT has happened and its answer was not looked at."""
    COMMITTED = "C7"
    """The batch is durable and nobody was told."""
    ACKNOWLEDGED = "C8"
    """Receipts were handed over."""
    TILES_STORED = "C9"
    """The tiles of a new checkpoint are stored."""
    SIGNED = "C10"
    """A checkpoint is signed in memory, the mark is durable."""
    PUBLISHED = "C11"
    """The checkpoint is committed and was not returned."""
    PROJECTED = "C16"
    """Views were written and their transaction is open."""
    NOTICE_RESERVED = "N1"
    """A command id is reserved for a payment notice, its command is not composed."""
    RECOVERY_LOCKED = "R1"
    """A ledger that is behind its mark was found and is locked."""
    RECOVERY_READ = "R2"
    """The entries that are missing were read from the mirror and checked."""
    RECOVERY_INSERTED = "R3"
    """Some of them were committed again."""
    RECOVERY_DONE = "R4"
    """All of them were committed again; nothing was signed yet."""
    BACKUP_COPIED = "B1"
    """A backup's database was copied, its list of files is not written."""
    BACKUP_VERIFIED = "B2"
    """The copy verified, the backup does not have its name yet."""
    RESTORED = "B3"
    """A restored ledger's files lie beside the place where they will be moved."""


Hook = Callable[[CrashPoint], None]

_hook: Hook | None = None


def reach(point: CrashPoint) -> None:
    """Say that a point is reached; returns unless a test armed it."""
    if _hook is not None:
        _hook(point)


def arm(hook: Hook | None) -> None:
    """Call `hook` at every point from now on; None disarms."""
    global _hook  # noqa: PLW0603 - the one switch of a process, thrown by tests only
    _hook = hook


def arm_from_environment(environment: Mapping[str, str]) -> None:
    """Arm what `YINZHENG_CRASH_AT` names; nothing when it is not set.

    Raises:
        ValueError: It names no point.

    """
    wanted = environment.get("YINZHENG_CRASH_AT")
    if not wanted:
        return
    name, _, times = wanted.partition(":")
    arm(_Killer(CrashPoint(name), int(times or "1")))


class _Killer:
    """Kills this process when its point is reached for the n-th time."""

    def __init__(self, point: CrashPoint, times: int) -> None:
        self._point, self._left = point, times

    def __call__(self, point: CrashPoint) -> None:
        if point is not self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
