"""What whoever runs a ledger sets up for its providers: `D/payments/payments.json` and key files.

    {"schema": 1,
     "alipay": {"party": ID, "app_id": ID, "seller_id": ID, "public_key": FILE},
     "wechat": {"party": ID, "app_id": ID, "merchant": NUMBER, "api_v3_key": FILE,
                "public_keys": {SERIAL: FILE, ...}},
     "internal": {"party": ID, "shop": NAME, "public_key": FILE}}

Each may be left out. Files lie in the same folder: public keys or certificates in PEM (the till's
is an Ed25519 key), the API v3 key as its 32 characters. The folder is private (0700, files 0600)
and in no backup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from api.errors import PaymentsMisconfigured, ProviderNotConfigured
from api.payments import alipay, till, wechat
from api.payments.port import Port
from ledger.rules.errors import Malformed
from ledger.rules.text import check_id

FOLDER: Final = "payments"
FILE: Final = "payments.json"
SCHEMA: Final = 1
_BYTES_MAX: Final = 64 * 1024
_RSA_BITS_MIN: Final = 2048
_SECRET_BYTES: Final = 32
_ALIPAY: Final = frozenset({"party", "app_id", "seller_id", "public_key"})
_TILL: Final = frozenset({"party", "shop", "public_key"})
_WECHAT: Final = frozenset({"party", "app_id", "merchant", "api_v3_key", "public_keys"})


def read_port(folder: Path, provider: str) -> Port:
    """Read what is set up for one provider.

    Args:
        folder: Of the ledger.
        provider: `alipay`, `internal` or `wechat`.

    Raises:
        ProviderNotConfigured: Nothing is.
        PaymentsMisconfigured: What is cannot be used; the message says why.

    """
    found = read_ports(folder).get(provider)
    if found is None:
        raise ProviderNotConfigured("no such provider is set up here", provider=provider)
    return found


def read_ports(folder: Path) -> dict[str, Port]:
    """Read every provider that is set up; none where the file is not there.

    Raises:
        PaymentsMisconfigured: What is set up cannot be used; the message says why.

    """
    place = folder / FOLDER
    try:
        text = _bytes(place, FILE)
    except FileNotFoundError:
        return {}
    document = _document(text)
    ports: dict[str, Port] = {}
    if "alipay" in document:
        told = _fields(document["alipay"], "alipay", _ALIPAY)
        key = _key(place, told["public_key"], "alipay.public_key")
        ports["alipay"] = alipay.Alipay(
            _party(told, "alipay"),
            _text(told, "alipay", "app_id"),
            _text(told, "alipay", "seller_id"),
            key,
        )
    if "internal" in document:
        told = _fields(document["internal"], "internal", _TILL)
        ports["internal"] = till.Till(
            _party(told, "internal"),
            _text(told, "internal", "shop"),
            _till_key(place, told["public_key"]),
        )
    if "wechat" in document:
        told = _fields(document["wechat"], "wechat", _WECHAT)
        ports["wechat"] = wechat.WeChat(
            _party(told, "wechat"),
            _text(told, "wechat", "app_id"),
            _text(told, "wechat", "merchant"),
            _secret(place, told["api_v3_key"]),
            _keys(place, told["public_keys"]),
        )
    return ports


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise _wrong("is not JSON, or holds a name twice", FILE) from None
    known = {"schema", "alipay", "internal", "wechat"}
    if not isinstance(document, dict) or not document.keys() <= known:
        raise _wrong("holds a name that is not known", FILE)
    if document.get("schema") != SCHEMA:
        raise _wrong("was written for another version of the program", "schema")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _fields(value: Any, name: str, wanted: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != wanted:
        raise _wrong(f"does not hold exactly {', '.join(sorted(wanted))}", name)
    return value


def _text(told: Mapping[str, Any], provider: str, name: str) -> str:
    value = told[name]
    if not isinstance(value, str) or not value.isascii() or not value.isalnum():
        raise _wrong("is not a string of letters and digits", f"{provider}.{name}")
    return value


def _party(told: Mapping[str, Any], provider: str) -> str:
    try:
        return check_id(told["party"], field="party")
    except Malformed:
        raise _wrong("is not the id of a party", f"{provider}.party") from None


def _keys(place: Path, files: Any) -> dict[str, RSAPublicKey]:
    name = "wechat.public_keys"
    if not isinstance(files, dict) or not files:
        raise _wrong("names no key", name)
    return {serial: _key(place, file, f"{name}.{serial}") for serial, file in files.items()}


def _key(place: Path, file: Any, name: str) -> RSAPublicKey:
    key = _public_key(place, file, name)
    if not isinstance(key, RSAPublicKey) or key.key_size < _RSA_BITS_MIN:
        raise _wrong(f"is not an RSA key of at least {_RSA_BITS_MIN} bits", name)
    return key


def _till_key(place: Path, file: Any) -> Ed25519PublicKey:
    name = "internal.public_key"
    key = _public_key(place, file, name)
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong("is not an Ed25519 key", name)
    return key


def _public_key(place: Path, file: Any, name: str) -> PublicKeyTypes:
    data = _file(place, file, name)
    try:
        if b"BEGIN CERTIFICATE" in data:
            return x509.load_pem_x509_certificate(data).public_key()
        return load_pem_public_key(data)
    except ValueError:
        raise _wrong("is neither a public key nor a certificate in PEM", name) from None


def _secret(place: Path, file: Any) -> bytes:
    secret = _file(place, file, "wechat.api_v3_key").removesuffix(b"\n")
    if len(secret) != _SECRET_BYTES:
        raise _wrong(f"is not of {_SECRET_BYTES} bytes", "wechat.api_v3_key")
    return secret


def _file(place: Path, file: Any, name: str) -> bytes:
    if not isinstance(file, str) or not file or Path(file).name != file:
        raise _wrong("is not the name of a file in this folder", name)
    try:
        return _bytes(place, file)
    except FileNotFoundError:
        raise _wrong("names a file that is not there", name) from None


def _bytes(place: Path, file: str) -> bytes:
    try:
        with (place / file).open("rb") as opened:
            return opened.read(_BYTES_MAX)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _wrong(f"cannot be read: {error.strerror}", file) from None


def _wrong(message: str, field: str) -> PaymentsMisconfigured:
    return PaymentsMisconfigured(f"{field} {message}", field=field, file=f"{FOLDER}/{FILE}")
