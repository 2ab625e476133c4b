"""A disk in memory: what is synced survives a power cut, the rest is lost, or garbled, by seed.

It stands in for `pathlib.Path` and for the few functions of `os` and `fcntl` that the mark is kept
with, so that the product's own order of locking, writing, syncing and renaming is what is tried.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
from collections.abc import Callable
from random import Random
from typing import Any

Hook = Callable[[str], None]


class Inode:
    """A file's bytes: as read now, and as they are after a power cut."""

    def __init__(self) -> None:
        self.cached = b""
        self.durable: bytes | None = None


class SimDisk:
    """One folder of files, and the names that are durable in it."""

    O_RDONLY, O_RDWR, O_CREAT, O_CLOEXEC = os.O_RDONLY, os.O_RDWR, os.O_CREAT, os.O_CLOEXEC
    LOCK_EX = fcntl.LOCK_EX

    def __init__(self, hook: Hook, wait: Callable[[str], None], locks: dict[str, object]) -> None:
        """Make an empty disk.

        Args:
            hook: Called before each operation; it may raise.
            wait: Called to wait until a lock is free.
            locks: Who holds which lock.

        """
        self._hook, self._wait, self._locks = hook, wait, locks
        self.names: dict[str, Inode] = {}
        self.durable_names: dict[str, Inode] = {}
        self._open: dict[int, Inode | None] = {}
        self._next = 100

    def path(self, name: str) -> SimPath:
        """A path on this disk."""
        return SimPath(self, name)

    def durable(self, name: str) -> bytes | None:
        """What a power cut is sure to leave of a file."""
        inode = self.durable_names.get(name)
        return None if inode is None else inode.durable

    def power_cut(self, dice: Random) -> None:
        """Lose what was not synced: names may or may not have moved, bytes may be anything."""
        if dice.random() < 0.5:
            # The folder was written out by itself.
            self.durable_names = dict(self.names)
        self.names = dict(self.durable_names)
        for inode in self.names.values():
            if inode.durable != inode.cached:
                inode.cached = self._left(inode, dice)
            inode.durable = inode.cached
        self._open.clear()

    def _left(self, inode: Inode, dice: Random) -> bytes:
        kept = dice.randrange(len(inode.cached) + 1)
        garbled = dice.randbytes(len(inode.cached))
        return dice.choice((inode.durable or b"", b"", inode.cached[:kept], garbled))

    def step(self, what: str) -> None:
        """Say what is about to be done."""
        self._hook(what)

    # The part of `os` that is used

    def put(self, name: str, data: bytes) -> None:
        """Have a file there from the beginning."""
        inode = self.names[name] = self.durable_names[name] = Inode()
        inode.cached = inode.durable = data

    def open(self, path: SimPath, flags: int, _mode: int = 0) -> int:
        self.step(f"open {path.name or 'folder'}")
        if path.name == "":
            assert flags == os.O_RDONLY
            return self.descriptor(None)
        assert flags & os.O_CREAT
        return self.descriptor(self.names.setdefault(path.name, Inode()))

    def flock(self, descriptor: int, how: int) -> None:
        assert how == fcntl.LOCK_EX
        self.step("lock")
        inode = self._open[descriptor]
        name = next(name for name, one in self.names.items() if one is inode)
        while name in self._locks:
            self._wait(name)
        self._locks[name] = descriptor

    def fsync(self, descriptor: int) -> None:
        self.step("sync")
        inode = self._open[descriptor]
        if inode is None:
            self.durable_names = dict(self.names)
        else:
            inode.durable = inode.cached

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        for name in [name for name, holder in self._locks.items() if holder == descriptor]:
            del self._locks[name]

    def descriptor(self, inode: Inode | None) -> int:
        """Open a file, or with None the folder."""
        self._next += 1
        self._open[self._next] = inode
        return self._next

    @staticmethod
    def strerror(number: int) -> str:
        return os.strerror(number)


class SimFile(io.BytesIO):
    """A file being written: its bytes reach the disk's cache when it is flushed or closed."""

    def __init__(self, disk: SimDisk, inode: Inode) -> None:
        super().__init__()
        self._disk, self._inode = disk, inode
        self._descriptor = disk.descriptor(inode)

    def fileno(self) -> int:
        return self._descriptor

    def flush(self) -> None:
        self._disk.step("write")
        self._inode.cached = self.getvalue()

    def close(self) -> None:
        if not self.closed:
            self._inode.cached = self.getvalue()
            self._disk.close(self._descriptor)
        super().close()


class SimPath:
    """The part of `pathlib.Path` that is used."""

    def __init__(self, disk: SimDisk, name: str) -> None:
        self._disk, self.name = disk, name

    def __str__(self) -> str:
        return f"/state/{self.name}"

    @property
    def parent(self) -> SimPath:
        return SimPath(self._disk, "")

    def with_name(self, name: str) -> SimPath:
        return SimPath(self._disk, name)

    def open(self, mode: str) -> Any:
        self._disk.step(f"open {mode}")
        if mode == "rb":
            if self.name not in self._disk.names:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.name)
            return io.BytesIO(self._disk.names[self.name].cached)
        assert mode == "wb"
        # Opening to write empties what is there, in the cache.
        inode = self._disk.names.setdefault(self.name, Inode())
        inode.cached = b""
        return SimFile(self._disk, inode)

    def read_bytes(self) -> bytes:
        with self.open("rb") as file:
            data: bytes = file.read()
        return data

    def replace(self, target: SimPath) -> None:
        self._disk.step("rename")
        if self.name not in self._disk.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.name)
        self._disk.names[target.name] = self._disk.names.pop(self.name)
