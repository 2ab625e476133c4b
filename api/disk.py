"""The disk guard: no command is accepted while too little space is left to keep its promise.

A database that runs into a full disk fails at the worst moment; logs have died of it. Below 10 % or
2 GiB the ledger is read-only, and goes on by itself when there is more. Decision: docs/adr/0022.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ledger.errors import DiskLow
from ledger.rules.errors import Malformed
from ledger.rules.text import decimal

FLOOR_BYTES: Final = 2 * 1024**3
FLOOR_PART: Final = 10
LOOK_EVERY_S: Final = 1.0
SETTING: Final = "YINZHENG_DISK_FREE_MIN"


class Usage(Protocol):
    """What is known of a file system."""

    @property
    def total(self) -> int:
        """Its size in bytes."""

    @property
    def free(self) -> int:
        """Bytes that this user may still write."""


Probe = Callable[[Path], Usage]


@dataclass(frozen=True, slots=True)
class Space:
    """How much is left where a folder lies, in bytes, and how much there must be."""

    folder: Path
    free: int
    needed: int

    @property
    def low(self) -> bool:
        """Whether it is too little."""
        return self.free < self.needed


class DiskGuard:
    """Looks at the file systems of a ledger, at most once a second. Thread-safe."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        floor: int | None = None,
        probe: Probe = shutil.disk_usage,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Guard folders.

        Args:
            folders: Where the ledger writes.
            floor: Bytes that must be free; 10 % of each file system and 2 GiB when None.
            probe: Tells size and free space of the file system of a folder.
            seconds: A clock that only goes forward.

        """
        self._folders, self._floor, self._probe = folders, floor, probe
        self._seconds = seconds
        self._lock = threading.Lock()
        self._looked_s: float | None = None
        self._low: Space | None = None

    def look(self) -> list[Space]:
        """Look at every folder now. Raises `OSError`: one of them is not there."""
        return [self._space(folder) for folder in self._folders]

    def admit(self) -> None:
        """Pass if there is room; looks at most once a second.

        Raises:
            DiskLow: There is too little; it passes again when there is more.
            OSError: A folder is not there.

        """
        with self._lock:
            now_s = self._seconds()
            if self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S:
                self._low = next((space for space in self.look() if space.low), None)
                self._looked_s = now_s
            low = self._low
        if low is not None:
            raise DiskLow(
                f"{low.free} bytes are free where {low.folder} lies, {low.needed} are needed",
                folder=str(low.folder),
                free=low.free,
                needed=low.needed,
            )

    def _space(self, folder: Path) -> Space:
        usage = self._probe(folder)
        needed = self._floor
        if needed is None:
            needed = max(FLOOR_BYTES, usage.total // FLOOR_PART)
        return Space(folder, usage.free, needed)


def floor_of(environment: Mapping[str, str] = os.environ) -> int | None:
    """Read how many bytes must be free, where the operator says so.

    Raises:
        Malformed: `YINZHENG_DISK_FREE_MIN` is no whole number.

    """
    told = environment.get(SETTING)
    if not told:
        return None
    try:
        return decimal(told, field=SETTING)
    except Malformed:
        raise Malformed(SETTING, "is no whole number of bytes") from None
