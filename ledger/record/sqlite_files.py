"""The files of one SQLite ledger, so that whoever reads them reads what is on the disk.

SQLite puts a commit into its log before it syncs the log. A process that dies in between leaves a
commit in the system's cache; a sync that fails leaves one there that no later sync will write. The
next process must not take either for durable. So before the first connection the log is synced, and
what the cache holds of it is dropped. As long as one connection is open nobody reads the log anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


class SystemFiles:
    """What is asked of the system; a test of what disks do answers in its place."""

    def connect(self, database: str, **options: Any) -> sqlite3.Connection:
        """Open a database as `sqlite3.connect` does."""
        connection: sqlite3.Connection = sqlite3.connect(database, **options)
        return connection

    def sync(self, path: Path) -> None:
        """Make a file durable, whoever wrote it.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be done.

        """
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def forget(self, path: Path) -> None:
        """Drop what the cache holds of a file, so that it is read from the disk.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be done.

        """
        descriptor = os.open(path, os.O_RDONLY)
        try:
            # Not every system can be told; on those a failed sync is believed, as SQLite does.
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


class SettledConnections:
    """Opens connections for writing; the first one is kept open beside those that are given."""

    def __init__(
        self, path: Path, files: SystemFiles, connect: Callable[[], sqlite3.Connection]
    ) -> None:
        """Open nothing yet.

        Args:
            path: The database file; its log lies beside it.
            files: Syncs the log.
            connect: Opens one connection that has read the log.

        """
        self._log = path.with_name(f"{path.name}-wal")
        self._files, self._connect = files, connect
        self._kept: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def __call__(self) -> sqlite3.Connection:
        """Open a connection.

        Raises:
            sqlite3.Error: It cannot be opened, or what it would read cannot be made durable.

        """
        with self._lock:
            if self._kept is None:
                self._kept = self._first()
        return self._connect()

    def close(self) -> None:
        """Close the connection that was kept; those that were given are the caller's."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _first(self) -> sqlite3.Connection:
        try:
            with suppress(FileNotFoundError):
                self._files.sync(self._log)
                self._files.forget(self._log)
            connection = self._connect()
            try:
                # Another process may have died since, before this one read the log.
                with suppress(FileNotFoundError):
                    self._files.sync(self._log)
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise sqlite3.OperationalError(f"SQLite's log: {error.strerror}") from error
        return connection
