"""A key in hardware, used like any other: what it signs is checked before it is given away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from ledger.hardware.uri import KeyUri
from ledger.proof.errors import VerificationError
from ledger.proof.keys import ED25519, verify
from ledger.rules.digests import key_id
from ledger.rules.text import b64encode


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key in an open session of its module."""

    public: bytes
    sign: Callable[[bytes], bytes]


class HardwareKey:
    """An Ed25519 key in a module; fits wherever a signer is asked for. Thread-safe."""

    alg = ED25519

    def __init__(self, uri: KeyUri, open_key: Callable[[KeyUri], OpenKey]) -> None:
        """Open the key once, for its public half; `open_key` is asked again after a failure.

        Raises:
            HardwareKeyUnavailable: The module, token, PIN or key is not there, or not sound.

        """
        self._uri, self._open_key = uri, open_key
        self._lock = threading.Lock()
        opened = open_key(uri)
        self._opened: OpenKey | None = opened
        self.public = opened.public
        self.key_id = key_id(ED25519, opened.public)

    def key(self) -> dict[str, str]:
        """Write the public key as it stands in a command's body."""
        return {"alg": self.alg, "public": b64encode(self.public)}

    def sign(self, message: bytes) -> bytes:
        """Sign, and check the signature before it is given away; 64 bytes.

        Raises:
            HardwareKeyUnavailable: The module fails, has another key now, or signs falsely.

        """
        with self._lock:
            try:
                opened = self._opened = self._opened or self._open_key(self._uri)
                signature = opened.sign(message)
                verify(ED25519, public=self.public, signature=signature, message=message)
            except VerificationError as error:
                self._opened = None
                raise self._uri.unavailable(f"its {error}") from error
            except BaseException:
                self._opened = None
                raise
            return signature
