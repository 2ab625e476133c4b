"""PKCS #11 modules: finding a key, and making one inside.

The package `python-pkcs11` (extra `pkcs11`) is loaded when a key is first used.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ledger.errors import HardwareKeyUnavailable
from ledger.hardware.key import HardwareKey, OpenKey
from ledger.hardware.uri import KeyUri
from ledger.rules.curve import check_ed25519
from ledger.rules.errors import WeakKey

PUBLIC_BYTES: Final = 32

# The curve as an object identifier (1.3.101.112), and as the name that PKCS #11 3.0 prefers.
_ED25519: Final = (b"\x06\x03\x2b\x65\x70", b"\x13\x0cedwards25519")
_OCTET_STRING: Final = bytes([0x04, PUBLIC_BYTES])
# A module is initialised without locks of its own: one call at a time in this process.
_ONE_CALL: Final = threading.RLock()


def open_hardware_key(uri: KeyUri, environment: Mapping[str, str] = os.environ) -> HardwareKey:
    """Find a key in its module.

    Args:
        uri: Where it is.
        environment: Holds the PIN when the URI says so.

    Raises:
        HardwareKeyUnavailable: The module, token, PIN or key is not there, or not sound.

    """
    return HardwareKey(uri, lambda named: _find(named, named.pin(environment)))


def make_hardware_key(uri: KeyUri, environment: Mapping[str, str] = os.environ) -> HardwareKey:
    """Make an Ed25519 key inside its module, not extractable, where there is none of this name.

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
        curve = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS,
            {pkcs11.Attribute.EC_PARAMS: _ED25519[0]},
            local=True,
        )
        private = {pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True}
        curve.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label=uri.label,
            id=uri.id,
            private_template=private,
        )
    return open_hardware_key(uri, environment)


def raw_point(point: bytes) -> bytes:
    """Unwrap a public key: 32 raw bytes, or these in a DER OCTET STRING, as modules differ.

    Raises:
        ValueError: It is neither.

    """
    if len(point) == len(_OCTET_STRING) + PUBLIC_BYTES and point.startswith(_OCTET_STRING):
        return point[len(_OCTET_STRING) :]
    if len(point) == PUBLIC_BYTES:
        return point
    message = f"a point of {len(point)} bytes"
    raise ValueError(message)


def _find(uri: KeyUri, pin: str) -> OpenKey:
    pkcs11 = load_package(uri)
    with failures(pkcs11, uri):
        session = open_session(pkcs11, uri, pin)
        names = names_of(pkcs11, uri)
        key_class, classes = pkcs11.Attribute.CLASS, pkcs11.ObjectClass
        private = only_one(session, {**names, key_class: classes.PRIVATE_KEY}, uri)
        public = only_one(session, {**names, key_class: classes.PUBLIC_KEY}, uri)
        raw = _checked_point(pkcs11, public, uri)
        mechanism = pkcs11.Mechanism.EDDSA
        # The key keeps its session open.
        return OpenKey(raw, lambda message: _sign(pkcs11, private, mechanism, message, uri))


def _sign(pkcs11: Any, private: Any, mechanism: Any, message: bytes, uri: KeyUri) -> bytes:
    with failures(pkcs11, uri):
        return bytes(private.sign(message, mechanism=mechanism))


def only_one(session: Any, names: Mapping[Any, Any], uri: KeyUri) -> Any:
    """Find the one object of a name. Raises `HardwareKeyUnavailable` for none and for two."""
    found = list(session.get_objects(names))
    if len(found) != 1:
        kind = next(value for value in names.values() if hasattr(value, "name")).name
        raise uri.unavailable(f"the token holds {len(found)} objects {kind} of this name, not one")
    return found[0]


def _checked_point(pkcs11: Any, public: Any, uri: KeyUri) -> bytes:
    attribute = pkcs11.Attribute
    if public[attribute.KEY_TYPE] != pkcs11.KeyType.EC_EDWARDS:
        raise uri.unavailable("it is no Ed25519 key")
    if bytes(public[attribute.EC_PARAMS]) not in _ED25519:
        raise uri.unavailable("it is on another curve than Ed25519")
    try:
        raw = raw_point(bytes(public[attribute.EC_POINT]))
        check_ed25519(raw)
    except (ValueError, WeakKey) as error:
        raise uri.unavailable(f"its public key is not sound: {error}") from error
    return raw


def names_of(pkcs11: Any, uri: KeyUri) -> dict[Any, Any]:
    """Write what an object is found by."""
    named = {pkcs11.Attribute.LABEL: uri.label, pkcs11.Attribute.ID: uri.id}
    return {attribute: value for attribute, value in named.items() if value is not None}


def open_session(pkcs11: Any, uri: KeyUri, pin: str, *, writing: bool = False) -> Any:
    """Log in to the token that a URI names; call it inside `failures`."""
    named = {"token_label": uri.token, "token_serial": uri.serial}
    given = {name: value for name, value in named.items() if value is not None}
    token = pkcs11.lib(uri.module).get_token(**given)
    try:
        return token.open(rw=writing, user_pin=pin)
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        # Another key of this process is on the same token, and its login counts for both.
        return token.open(rw=writing)


def load_package(uri: KeyUri) -> Any:
    """Load `python-pkcs11`. Raises `HardwareKeyUnavailable` where it is not installed."""
    try:
        return importlib.import_module("pkcs11")
    except ImportError:
        raise uri.unavailable(
            "the package python-pkcs11 is missing; install yinzheng[pkcs11]"
        ) from None


@contextmanager
def failures(pkcs11: Any, uri: KeyUri) -> Iterator[None]:
    """Call alone, and name what the module reports; its errors are often without words."""
    try:
        with _ONE_CALL:
            yield
    except HardwareKeyUnavailable:
        raise
    except pkcs11.exceptions.PKCS11Error as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise uri.unavailable(f"the module reports {said}") from error
