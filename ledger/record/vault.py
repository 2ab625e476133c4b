"""The vault: sealed values, encrypted so that erasing one key file erases them everywhere.

Each subject has one random 32-byte key in a file of its own, outside the database and outside
its backups. A value is boxed with AES-256-GCM; the associated data binds the box to its log,
entry, field and subject, so that a box cannot be moved to another row.

A box is nonce (12 bytes) || ciphertext || tag (16 bytes). Specification: docs/spec.md section 7.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.record.errors import BoxRefused, KeyDamaged, KeyMissing, KeyNotStored

_DOMAIN: Final = b"yinzheng/vault/v1\n"
_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_LENGTH_SIZE: Final = 8
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class Vault:
    """Seals and opens values under one key a subject."""

    def __init__(self, keys_dir: Path, *, origin: str, random: Callable[[int], bytes]) -> None:
        """Use a folder of keys, made with mode 0700 when it is not there.

        Args:
            keys_dir: The folder; never one that is backed up with the database.
            origin: Origin line of the log.
            random: Gives that many random bytes, for instance `os.urandom`.

        """
        keys_dir.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        keys_dir.chmod(_FOLDER_MODE)
        self._keys_dir, self._keys_folder = keys_dir, str(keys_dir)
        self._bound_log = _DOMAIN + _measured(origin)
        self._random = random

    def seal(self, subject: str, *, index: int, name: str, value: bytes) -> bytes:
        """Encrypt one value for its subject, making the subject's key when there is none.

        Args:
            subject: The party whose key it is.
            index: 0-based index of the entry that the field belongs to.
            name: Name of the field.
            value: The bytes to keep secret.

        Raises:
            KeyDamaged: The subject's key file is not 32 bytes.
            KeyNotStored: The key cannot be written or read: a full or read-only disk.

        """
        return self.seal_with(
            self.own_cipher(subject), subject, index=index, name=name, value=value
        )

    def session(self) -> SealingSession:
        """Return a way to seal many values in one go, which looks for each key once."""
        return SealingSession(self)

    def own_cipher(self, subject: str) -> AESGCM:
        """Return a cipher under the subject's key, made when there is none; raises as `seal`."""
        try:
            with suppress(KeyMissing):
                return AESGCM(self._key(subject))
            # Another process may be as quick.
            with suppress(FileExistsError):
                self._make_key(subject)
            return AESGCM(self._key(subject))
        except OSError as error:
            raise KeyNotStored(self._path(subject).name, reason=error.strerror or "") from error

    def seal_with(
        self, cipher: AESGCM, subject: str, *, index: int, name: str, value: bytes
    ) -> bytes:
        """Encrypt one value under the subject's key, as `own_cipher` returned it."""
        nonce = self._random(_NONCE_SIZE)
        bound = self._bound(subject, index=index, name=name)
        return nonce + cipher.encrypt(nonce, value, bound)

    def open(self, subject: str, *, index: int, name: str, box: bytes) -> bytes:
        """Decrypt one box.

        Args:
            subject: The party whose key it is.
            index: 0-based index of the entry that the field belongs to.
            name: Name of the field.
            box: What `seal` returned.

        Raises:
            KeyMissing: The key was erased, or was never made.
            KeyDamaged: The subject's key file is not 32 bytes.
            BoxRefused: The box was changed, or belongs to another row, subject or log.

        """
        cipher = AESGCM(self._key(subject))
        bound = self._bound(subject, index=index, name=name)
        try:
            return cipher.decrypt(box[:_NONCE_SIZE], box[_NONCE_SIZE:], bound)
        except (InvalidTag, ValueError) as error:
            # ValueError: too short to hold a nonce.
            raise BoxRefused(index=index, name=name) from error

    def erase(self, subject: str) -> None:
        """Destroy the subject's key: every box of the subject is unreadable from then on.

        Raises:
            KeyMissing: There is no key to destroy.

        """
        path = self._path(subject)
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise KeyMissing(path.name) from error
        # A crash while the key was made can have left it under its draft's name too.
        for draft in self._keys_dir.glob(f"{path.name}.*"):
            draft.unlink(missing_ok=True)
        _sync_folder(self._keys_dir)

    def _bound(self, subject: str, *, index: int, name: str) -> bytes:
        # Lengths in front: no two different rows give the same bytes.
        return self._bound_log + b"".join(map(_measured, (str(index), name, subject)))

    def _path(self, subject: str) -> Path:
        return self._keys_dir / _file_name(subject)

    def _key(self, subject: str) -> bytes:
        name = _file_name(subject)
        try:
            # Read anew by every batch, since it may be erased; `Path.open` takes twice as long.
            with open(f"{self._keys_folder}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
                # One byte more than it may have, so that a longer one is seen.
                key = file.read(_KEY_SIZE + 1)
        except FileNotFoundError as error:
            raise KeyMissing(name) from error
        if len(key) != _KEY_SIZE:
            raise KeyDamaged(name, size=self._path(subject).stat().st_size)
        return key

    def _make_key(self, subject: str) -> None:
        """Write a new key durably under its name; FileExistsError when there is one."""
        path = self._path(subject)
        draft = path.with_name(f"{path.name}.{self._random(_LENGTH_SIZE).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._random(_KEY_SIZE))
                file.flush()
                os.fsync(file.fileno())
            # Unlike a rename, a link never replaces a key that somebody else made meanwhile.
            os.link(draft, path)
        finally:
            draft.unlink()
        _sync_folder(self._keys_dir)


class SealingSession:
    """Seals the values of one batch; not kept longer, since a key may be erased at any time."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, subject: str, *, index: int, name: str, value: bytes) -> bytes:
        """Encrypt one value for its subject; as `Vault.seal`, with its errors."""
        cipher = self._ciphers.get(subject)
        if cipher is None:
            cipher = self._ciphers[subject] = self._vault.own_cipher(subject)
        return self._vault.seal_with(cipher, subject, index=index, name=name, value=value)


@lru_cache(maxsize=4096)
def _file_name(subject: str) -> str:
    return sha256(subject.encode()).hexdigest()


def _measured(part: str) -> bytes:
    encoded = part.encode()
    return len(encoded).to_bytes(_LENGTH_SIZE) + encoded


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
