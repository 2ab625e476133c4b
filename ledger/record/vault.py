"""The vault: sealed values, encrypted so that erasing one key file erases them everywhere.

Each subject has one random 32-byte key in a file of its own, outside the database and outside
its backups. A value is boxed with AES-256-GCM; the associated data binds the box to its log,
entry, field and subject, so that a box cannot be moved to another row.

A box is nonce (12 bytes) || ciphertext || tag (16 bytes). Specification: docs/spec.md section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.keyfiles import KeyFiles, KeyWrapper, NotAKey
from ledger.record.errors import BoxRefused, KeyDamaged, KeyMissing, KeyNotStored

_DOMAIN: Final = b"yinzheng/vault/v1\n"
_NONCE_SIZE: Final = 12
_LENGTH_SIZE: Final = 8


class Vault:
    """Seals and opens values under one key a subject."""

    def __init__(
        self,
        keys_dir: Path,
        *,
        origin: str,
        random: Callable[[int], bytes],
        wrapper: KeyWrapper | None = None,
    ) -> None:
        """Use a folder of keys, made with mode 0700 when it is not there.

        Args:
            keys_dir: The folder; never one that is backed up with the database.
            origin: Origin line of the log.
            random: Gives that many random bytes, for instance `os.urandom`.
            wrapper: Encrypts the keys in their files; None for keys as they are.

        """
        self._files = KeyFiles(keys_dir, random=random, wrapper=wrapper)
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
            KeyDamaged: The subject's key file holds no key.
            KeyNotStored: The key cannot be written or read: a full or read-only disk.
            HardwareKeyUnavailable: Keys are wrapped, and the module cannot be used.

        """
        return self.seal_with(
            self.own_cipher(subject), subject, index=index, name=name, value=value
        )

    def session(self) -> SealingSession:
        """Return a way to seal many values in one go, which looks for each key once."""
        return SealingSession(self)

    def own_cipher(self, subject: str) -> AESGCM:
        """Return a cipher under the subject's key, made when there is none; raises as `seal`."""
        name = _file_name(subject)
        try:
            with suppress(KeyMissing):
                return AESGCM(self._key(name))
            # Another process may be as quick.
            with suppress(FileExistsError):
                self._files.make(name)
            return AESGCM(self._key(name))
        except OSError as error:
            raise KeyNotStored(name, reason=error.strerror or "") from error

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
            KeyDamaged: The subject's key file holds no key.
            BoxRefused: The box was changed, or belongs to another row, subject or log.
            HardwareKeyUnavailable: Keys are wrapped, and the module cannot be used.

        """
        cipher = AESGCM(self._key(_file_name(subject)))
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
        name = _file_name(subject)
        try:
            self._files.erase(name)
        except FileNotFoundError as error:
            raise KeyMissing(name) from error

    def _bound(self, subject: str, *, index: int, name: str) -> bytes:
        # Lengths in front: no two different rows give the same bytes.
        return self._bound_log + b"".join(map(_measured, (str(index), name, subject)))

    def _key(self, name: str) -> bytes:
        try:
            return self._files.read(name)
        except FileNotFoundError as error:
            raise KeyMissing(name) from error
        except NotAKey as error:
            raise KeyDamaged(name, size=error.size) from error


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
