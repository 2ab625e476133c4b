"""Fingerprints: two card keys are one exactly where their fingerprints are equal.

    HMAC-SHA256(pepper, canonical(["yinzheng/fingerprint/v1", product, key in its one spelling]))
    HMAC-SHA256(pepper, canonical(["yinzheng/code-fingerprint/v1", verification code]))

A pepper is a secret of this ledger, `D/vault/pepper-N`; without it nobody can try keys against the
index. Peppers are added, never taken away: every key has a fingerprint under each that its process
knows, and is looked for under all of them. Decision: docs/adr/0035.
"""

from __future__ import annotations

import hmac
import re
from contextlib import suppress
from typing import Final, NamedTuple

from ledger.cards.normalise import normalise
from ledger.errors import CardIndexUnavailable
from ledger.keyfiles import KeyFiles, NotAKey
from ledger.rules.canonical import encode

_NAME: Final = re.compile(r"pepper-([1-9][0-9]{0,8})")
_TAG: Final = "yinzheng/fingerprint/v1"
_CODE_TAG: Final = "yinzheng/code-fingerprint/v1"
_MARK: Final = b"yinzheng/pepper/v1"


class Fingerprint(NamedTuple):
    """Of a card key, under one version of the pepper."""

    version: int
    digest: bytes


class Peppers:
    """The peppers of a ledger."""

    def __init__(self, files: KeyFiles) -> None:
        """Use the folder that they lie in."""
        self._files = files
        self._known: dict[int, bytes] = {}

    def versions(self) -> list[int]:
        """Return every version there is, oldest first."""
        found = (_NAME.fullmatch(path.name) for path in self._files.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def add(self) -> int:
        """Make the next version, and return it.

        Raises:
            CardIndexUnavailable: It cannot be written.

        """
        version = max(self.versions(), default=0) + 1
        try:
            # Another process may be as quick.
            with suppress(FileExistsError):
                self._files.make(f"pepper-{version}")
        except OSError as error:
            raise _unusable(version, error.strerror or "cannot be written") from error
        return version

    def fingerprints(self, product: str, key: str) -> tuple[Fingerprint, ...]:
        """Compute the fingerprints of a key, one a version.

        Raises:
            CardIndexUnavailable: There is no pepper, or one cannot be read.
            Malformed: Nothing is left of the key in its one spelling.

        """
        return self._under_each(encode([_TAG, product, normalise(key)]))

    def code_fingerprints(self, code: str) -> tuple[Fingerprint, ...]:
        """Compute the fingerprints of a verification code, one a version.

        Raises:
            CardIndexUnavailable: There is no pepper, or one cannot be read.

        """
        return self._under_each(encode([_CODE_TAG, code]))

    def forget(self) -> None:
        """Forget what was read."""
        self._known.clear()

    def marks(self) -> dict[int, bytes]:
        """Return what each version is known by; it tells nothing of the pepper."""
        return {
            version: hmac.digest(pepper, _MARK, "sha256") for version, pepper in self._known.items()
        }

    def refresh(self) -> None:
        """Read again what is there; another process may have added one."""
        versions = self.versions()
        gone = self._known.keys() - set(versions)
        if gone:
            # Keys were told apart by it: whoever cannot use it does not know what was sold.
            raise _unusable(min(gone), "is gone")
        for version in versions:
            if version not in self._known:
                self._known[version] = self._load(version)

    def _under_each(self, message: bytes) -> tuple[Fingerprint, ...]:
        return tuple(
            Fingerprint(version, hmac.digest(pepper, message, "sha256"))
            for version, pepper in self._read().items()
        )

    def _read(self) -> dict[int, bytes]:
        if not self._known:
            self.refresh()
        if not self._known:
            raise _unusable(1, "is not there")
        return self._known

    def _load(self, version: int) -> bytes:
        try:
            return self._files.read(f"pepper-{version}")
        except NotAKey as error:
            raise _unusable(version, "holds no key") from error
        except OSError as error:
            raise _unusable(version, error.strerror or "cannot be read") from error


def _unusable(version: int, reason: str) -> CardIndexUnavailable:
    return CardIndexUnavailable(
        f"the pepper {version} of card keys {reason}", reason=f"pepper-{version} {reason}"
    )
