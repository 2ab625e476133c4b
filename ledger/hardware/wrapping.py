"""Wrapping keys in hardware: AES-256-GCM under a key that cannot leave its module.

A wrapped key is `w1` || nonce (12 bytes) || ciphertext || tag (16 bytes); its name is bound to it
as associated data, so that one file cannot be put in another's place. What reads it needs the
module, what deletes it does not. Specification: docs/spec.md section 7.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from ledger.errors import HardwareKeyUnavailable
from ledger.hardware.module import failures, load_package, names_of, only_one, open_session
from ledger.hardware.uri import KeyUri

_MAGIC: Final = b"w1"
_DOMAIN: Final = b"yinzheng/wrapped/v1\n"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_AES_BITS: Final = 256


class HardwareWrapper:
    """Wraps keys under an AES key in a module. Thread-safe."""

    def __init__(
        self,
        uri: KeyUri,
        *,
        random: Callable[[int], bytes],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Find the key once, so that a wrong name or PIN is known at once.

        Args:
            uri: Where it is.
            random: Gives random bytes for nonces.
            environment: Holds the PIN when the URI says so.

        Raises:
            HardwareKeyUnavailable: The module, token, PIN or key is not there, or is no AES-256.

        """
        self._uri, self._random, self._environment = uri, random, environment
        self._lock = threading.Lock()
        self._key: Any = None
        with self._lock:
            self._open()

    def wrap(self, key: bytes, name: str) -> bytes:
        """Encrypt a key for its name. Raises `HardwareKeyUnavailable`."""
        nonce = self._random(_NONCE_BYTES)
        with self._lock:
            return _MAGIC + nonce + self._use("encrypt", key, nonce, name)

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Decrypt a key.

        Raises:
            ValueError: It was changed, or was wrapped for another name or under another key.
            HardwareKeyUnavailable: The module cannot be used.

        """
        start = len(_MAGIC) + _NONCE_BYTES
        if not wrapped.startswith(_MAGIC) or len(wrapped) < start + _TAG_BYTES:
            message = "it is not wrapped"
            raise ValueError(message)
        nonce, box = wrapped[len(_MAGIC) : start], wrapped[start:]
        with self._lock:
            with suppress(HardwareKeyUnavailable):
                return self._use("decrypt", box, nonce, name)
            # Modules do not agree on what they say of a box that does not open: one that opens
            # its own is sound, and is asked once more, since its session may have been lost.
            fresh = self._random(_NONCE_BYTES)
            self._use("decrypt", self._use("encrypt", _MAGIC, fresh, name), fresh, name)
            try:
                return self._use("decrypt", box, nonce, name)
            except HardwareKeyUnavailable as error:
                message = "it does not open"
                raise ValueError(message) from error

    def _use(self, verb: str, data: bytes, nonce: bytes, name: str) -> bytes:
        pkcs11 = load_package(self._uri)
        bound = pkcs11.GCMParams(nonce=nonce, aad=_DOMAIN + name.encode(), tag_bits=8 * _TAG_BYTES)
        act = getattr(self._key or self._open(), verb)
        try:
            with failures(pkcs11, self._uri):
                return bytes(act(data, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=bound))
        except HardwareKeyUnavailable:
            # The session may be lost: the next one to ask opens the key anew.
            self._key = None
            raise

    def _open(self) -> Any:
        pkcs11 = load_package(self._uri)
        with failures(pkcs11, self._uri):
            session = open_session(pkcs11, self._uri, self._uri.pin(self._environment))
            attribute, classes = pkcs11.Attribute, pkcs11.ObjectClass
            names = {**names_of(pkcs11, self._uri), attribute.CLASS: classes.SECRET_KEY}
            key = only_one(session, names, self._uri)
            if key[attribute.KEY_TYPE] != pkcs11.KeyType.AES or 8 * key[attribute.VALUE_LEN] != (
                _AES_BITS
            ):
                raise self._uri.unavailable("it is no AES key of 256 bits")
            # The key keeps its session open.
            self._key = key
            return key


def make_wrapping_key(uri: KeyUri, environment: Mapping[str, str] = os.environ) -> None:
    """Make an AES-256 key inside its module, not extractable, where there is none of this name.

    Raises:
        HardwareKeyUnavailable: The key exists, or the module refuses.

    """
    pkcs11 = load_package(uri)
    with (
        failures(pkcs11, uri),
        open_session(pkcs11, uri, uri.pin(environment), writing=True) as session,
    ):
        if any(True for _ in session.get_objects(names_of(pkcs11, uri))):
            raise uri.unavailable("an object of this name exists; it was left alone")
        flags = pkcs11.MechanismFlag
        session.generate_key(
            pkcs11.KeyType.AES,
            _AES_BITS,
            store=True,
            label=uri.label,
            id=uri.id,
            capabilities=flags.ENCRYPT | flags.DECRYPT,
            template={pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True},
        )
