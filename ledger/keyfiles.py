"""Secret keys of 32 bytes, one a file, outside the database: as they are, or wrapped.

Who holds the folder holds the keys, unless a wrapper stands before them: then a file holds its key
encrypted under one that never leaves a hardware module. Deleting a file erases its key either way,
so that erasure needs nothing of the module. A folder is of one kind for ever: a key that lies bare
where keys are wrapped was put there by somebody else. Decision: docs/adr/0032.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

KEY_BYTES: Final = 32
_DRAFT_BYTES: Final = 8
_READ_MAX: Final = 256
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class KeyWrapper(Protocol):
    """Encrypts keys under one that it never gives away; each is bound to its name."""

    def wrap(self, key: bytes, name: str) -> bytes:
        """Encrypt a key. Raises `HardwareKeyUnavailable`."""
        ...

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Decrypt a key.

        Raises:
            ValueError: It was changed, or was wrapped for another name or by another wrapper.
            HardwareKeyUnavailable: The module cannot be used.

        """
        ...


class NotAKey(ValueError):
    """A file holds no key of this folder's kind."""

    def __init__(self, name: str, *, size: int) -> None:
        super().__init__(f"the file {name} of {size} bytes holds no key")
        self.name = name
        self.size = size


class KeyFiles:
    """A folder of keys. Threads and processes may share it."""

    def __init__(
        self, folder: Path, *, random: Callable[[int], bytes], wrapper: KeyWrapper | None = None
    ) -> None:
        """Use a folder, made with mode 0700 when it is not there.

        Args:
            folder: Never one that is backed up with the database.
            random: Gives that many random bytes, for instance `os.urandom`.
            wrapper: Encrypts every key before it is written; None for keys as they are.

        """
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(_FOLDER_MODE)
        self.folder, self._text = folder, str(folder)
        self._random, self._wrapper = random, wrapper

    def read(self, name: str) -> bytes:
        """Read one key.

        Raises:
            FileNotFoundError: There is none of this name.
            NotAKey: The file is damaged, or of the other kind.
            HardwareKeyUnavailable: It is wrapped, and the module cannot be used.
            OSError: It cannot be read.

        """
        # Read anew by every batch, since it may be erased; `Path.open` takes twice as long.
        with open(f"{self._text}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
            held = file.read(_READ_MAX)
        if self._wrapper is not None:
            try:
                held = self._wrapper.unwrap(held, name)
            except ValueError:
                raise self._not_a_key(name) from None
        if len(held) != KEY_BYTES:
            raise self._not_a_key(name)
        return held

    def make(self, name: str) -> None:
        """Write a new key durably.

        Raises:
            FileExistsError: There is one of this name, which is left alone.
            HardwareKeyUnavailable: It cannot be wrapped.
            OSError: It cannot be written.

        """
        path = self.folder / name
        draft = path.with_name(f"{name}.{self._random(_DRAFT_BYTES).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                key = self._random(KEY_BYTES)
                file.write(key if self._wrapper is None else self._wrapper.wrap(key, name))
                file.flush()
                os.fsync(file.fileno())
            # Unlike a rename, a link never replaces a key that somebody else made meanwhile.
            os.link(draft, path)
        finally:
            draft.unlink()
        _sync_folder(self.folder)

    def erase(self, name: str) -> None:
        """Destroy a key. Raises `FileNotFoundError` when there is none of this name."""
        (self.folder / name).unlink()
        # A crash while the key was made can have left it under its draft's name too.
        for draft in self.folder.glob(f"{name}.*"):
            draft.unlink(missing_ok=True)
        _sync_folder(self.folder)

    def _not_a_key(self, name: str) -> NotAKey:
        return NotAKey(name, size=(self.folder / name).stat().st_size)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
