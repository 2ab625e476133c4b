"""Names of keys in hardware: PKCS #11 URIs, and where the PIN comes from.

`pkcs11:token=T;object=O?module-path=M&pin-source=file:P`. A token is named by `token` or `serial`,
a key by `object` or `id`. The PIN is read from a file of mode 0600 (`file:PATH`) or from the
environment (`env:NAME`), never from the URI. Specification: RFC 7512.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from ledger.errors import HardwareKeyUnavailable
from ledger.rules.errors import Malformed

SCHEME: Final = "pkcs11:"
PIN_VARIABLE: Final = "YINZHENG_PKCS11_PIN"

_FIELD: Final = "key"
_PATH: Final = ("token", "serial", "object", "id")
_QUERY: Final = ("module-path", "pin-source")
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9._~:@!$'()*+,=/\[\]-]|%[0-9A-Fa-f]{2})+")
_READABLE_BY_OTHERS: Final = 0o077
_PIN_BYTES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class KeyUri:
    """Where a key is: nothing secret."""

    text: str
    module: str
    token: str | None
    serial: bytes | None
    label: str | None
    id: bytes | None
    pin_source: str

    @classmethod
    def parse(cls, text: str) -> KeyUri:
        """Read a PKCS #11 URI.

        Raises:
            Malformed: It is none, has attributes that are not known here, or holds a PIN.

        Spec: RFC 7512.

        """
        if not text.startswith(SCHEME):
            raise Malformed(_FIELD, f"does not begin with {SCHEME}")
        path, _, query = text.removeprefix(SCHEME).partition("?")
        if "pin-value" in query:
            raise Malformed(_FIELD, "holds a PIN; name a file or variable with pin-source")
        found = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        if not {"token", "serial"} & set(found):
            raise Malformed(_FIELD, "names no token")
        if not {"object", "id"} & set(found):
            raise Malformed(_FIELD, "names no object")
        if "module-path" not in found:
            raise Malformed(_FIELD, "names no module-path")
        source = _text(found.get("pin-source", f"env:{PIN_VARIABLE}".encode()))
        if not source.startswith(("file:", "env:")):
            raise Malformed(_FIELD, "has a pin-source that is neither file: nor env:")
        return cls(
            text=text,
            module=_text(found["module-path"]),
            token=_text(found["token"]) if "token" in found else None,
            serial=found.get("serial"),
            label=_text(found["object"]) if "object" in found else None,
            id=found.get("id"),
            pin_source=source,
        )

    def pin(self, environment: Mapping[str, str]) -> str:
        """Read the PIN where the URI says.

        Raises:
            HardwareKeyUnavailable: It is not there, or others can read it.

        """
        kind, _, place = self.pin_source.partition(":")
        if kind == "env":
            pin = environment.get(place)
            if not pin:
                raise self.unavailable(f"the variable {place} with the PIN is not set")
            return pin
        file = Path(place.removeprefix("//"))
        try:
            with file.open("rb") as opened:
                mode = os.fstat(opened.fileno()).st_mode
                pin = opened.read(_PIN_BYTES_MAX).decode("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise self.unavailable(f"the file {file} with the PIN cannot be read") from None
        if mode & _READABLE_BY_OTHERS:
            raise self.unavailable(f"others can read the PIN in {file}; chmod 600 it")
        return pin

    def unavailable(self, reason: str) -> HardwareKeyUnavailable:
        """Say why the key cannot be used."""
        return HardwareKeyUnavailable(
            f"the hardware key cannot be used: {reason}", key=self.text, reason=reason
        )


def _attributes(text: str, separator: str, known: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else []:
        name, equals, value = part.partition("=")
        if name not in known or name in found:
            raise Malformed(_FIELD, f"has {name!r}, or has it twice; known: {', '.join(known)}")
        if not equals or not _VALUE.fullmatch(value):
            raise Malformed(_FIELD, f"has no value for {name}, or one that is not escaped")
        found[name] = unquote_to_bytes(value)
    return found


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(_FIELD, "is not UTF-8") from None
