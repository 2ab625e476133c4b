"""A file system for SQLite that passes everything on, writes it down in order, and can fail.

SQLite is the one inside apsw; its files are real and lie in a folder given by the test. What every
operation did is kept for `tests.cuts.disk`. Memory shared through `-shm` is no file that must
survive, and is left to the system.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from ledger.record.sqlite_files import SystemFiles
from tests.cuts.disk import Disk, Kind, Operation
from tests.cuts.driver import connect

_LOGS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
_SYSTEM = "unix"
_numbers = itertools.count(1)


class Verb:
    """Names of what can fail."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    SIZE = "size"
    DELETE = "delete"
    ACCESS = "access"


Fault = Callable[[str, str], apsw.Error | None]
"""Asked before every operation (verb, file name); answers with the error to fail it by."""


def no_fault(verb: str, name: str) -> None:
    """Let every operation pass."""


class RecordingVFS(apsw.VFS):
    """The system's file system, written down."""

    def __init__(self, *, seed: bytes, disk: Disk | None) -> None:
        self.label = f"recording-{next(_numbers)}"
        # SQLite draws its random numbers from the default file system only.
        super().__init__(self.label, _SYSTEM, makedefault=True)
        self.operations: list[Operation] = []
        self.fault: Fault = no_fault
        self._seed = seed
        self._disk = disk

    def note(self, operation: Operation) -> None:
        """Write one operation down."""
        self.operations.append(operation)
        if self._disk is not None:
            self._disk.apply(operation)

    def read_anew(self, path: Path) -> None:
        """Let the cache forget a file: what it read is no more than what the disk holds."""
        self.note(Operation(Kind.FORGET, path.name))
        if self._disk is not None:
            path.write_bytes(self._disk.cache()[path.name])

    def ask(self, verb: str, name: str) -> None:
        """Fail here if the test wants it."""
        error = self.fault(verb, name)
        if error is not None:
            raise error

    def xRandomness(self, size: int) -> bytes:  # noqa: N802
        """Give the bytes of the seed, so that every run writes the same salts."""
        return (self._seed * (size // len(self._seed) + 1))[:size]

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802
        """Open a file and write down whether that made it."""
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        self.ask(Verb.OPEN, path.name)
        fresh = not path.exists()
        file = _File(self, path.name, name, flags)
        if fresh:
            self.note(Operation(Kind.CREATE, path.name))
        # SQLite syncs the folder with each handle's first sync of a journal or log.
        file.folder = bool(flags[0] & _LOGS)
        return file

    def xDelete(self, path: str, sync: bool) -> None:  # noqa: N802, FBT001
        """Delete a file."""
        name = Path(path).name
        self.ask(Verb.DELETE, name)
        super().xDelete(path, sync)
        self.note(Operation(Kind.DELETE, name, folder=sync))

    def xAccess(self, path: str, flags: int) -> bool:  # noqa: N802
        """Say whether a file is there."""
        self.ask(Verb.ACCESS, Path(path).name)
        return super().xAccess(path, flags)

    def excepthook(self, *_: Any) -> None:
        """Say nothing: SQLite returns the error to the caller."""


class _File(apsw.VFSFile):
    def __init__(self, vfs: RecordingVFS, name: str, path: Any, flags: list[int]) -> None:
        super().__init__(_SYSTEM, path, flags)
        self._vfs, self._name = vfs, name
        self.folder = False

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._vfs.ask(Verb.READ, self._name)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        try:
            self._vfs.ask(Verb.WRITE, self._name)
        except apsw.Error:
            # A disk that fails has often written the beginning.
            self._write(data[: len(data) // 2], offset)
            raise
        self._write(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._vfs.ask(Verb.TRUNCATE, self._name)
        super().xTruncate(size)
        self._vfs.note(Operation(Kind.TRUNCATE, self._name, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        try:
            self._vfs.ask(Verb.SYNC, self._name)
        except apsw.Error:
            self._vfs.note(Operation(Kind.SYNC_FAILED, self._name))
            raise
        # The real file lies in memory: there is nothing to wait for.
        self._vfs.note(Operation(Kind.SYNC, self._name, folder=self.folder))
        self.folder = False

    def xFileSize(self) -> int:  # noqa: N802
        self._vfs.ask(Verb.SIZE, self._name)
        return super().xFileSize()

    def excepthook(self, *_: Any) -> None:
        """Say nothing: SQLite returns the error to the caller."""

    def _write(self, data: bytes, offset: int) -> None:
        if data:
            super().xWrite(data, offset)
            self._vfs.note(Operation(Kind.WRITE, self._name, offset, bytes(data)))


class RecordingFiles(SystemFiles):
    """What the product asks of the system beside SQLite, on the same disk."""

    syncs = True
    forgets = True
    """Tests take these away to see what is lost without."""

    def __init__(self, vfs: RecordingVFS) -> None:
        self._vfs = vfs

    def connect(self, database: str, **options: Any) -> Any:
        """Open a database through the file system."""
        return connect(database, vfs=self._vfs.label, **options)

    def sync(self, path: Path) -> None:
        """Make a file durable, or fail to."""
        if not path.exists():
            raise FileNotFoundError(path)
        if not self.syncs:
            return
        try:
            self._vfs.ask(Verb.SYNC, path.name)
        except apsw.Error as error:
            self._vfs.note(Operation(Kind.SYNC_FAILED, path.name))
            raise OSError(errno.EIO, os.strerror(errno.EIO)) from error
        self._vfs.note(Operation(Kind.SYNC, path.name))

    def forget(self, path: Path) -> None:
        """Drop what is cached of a file."""
        if self.forgets:
            self._vfs.read_anew(path)


@contextmanager
def recording(seed: bytes, disk: Disk | None = None) -> Iterator[RecordingVFS]:
    """Register a recording file system, SQLite's own dice thrown anew from its seed.

    Args:
        seed: Of the salts that SQLite writes.
        disk: The disk that the files lie on, if operations may fail: what it has lost is not read.

    """
    vfs = RecordingVFS(seed=seed, disk=disk)
    apsw.randomness(0)
    try:
        yield vfs
    finally:
        vfs.unregister()
        apsw.randomness(0)
