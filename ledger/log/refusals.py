"""How the signer process says no: the errors that cross its socket, with their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.errors import LedgerError
from ledger.log import errors
from ledger.log.errors import LogError, ProtocolBroken, SignerRefused
from ledger.rules.canonical import decode, encode
from ledger.rules.errors import Malformed
from ledger.rules.text import hex32

_BYTES_MAX: Final = 1 << 16
# What each error keeps, and as what: all of it crosses the socket.
_EVIDENCE: Final[Mapping[type[LogError], Mapping[str, type]]] = {
    errors.HeadBehind: {"size": int, "published": int},
    errors.RootDiffers: {"size": int, "signed": bytes, "computed": bytes},
    errors.MarkMissing: {"file": str},
    errors.MarkMoved: {"expected": int, "found": int},
    errors.TreeDisagrees: {"size": int, "found_size": int, "root": bytes, "computed": bytes},
    errors.SignatureFaulty: {"size": int, "reason": str},
    errors.ProtocolBroken: {"reason": str},
    errors.SignerRefused: {"refusal": str, "reason": str},
    errors.MarkDamaged: {"file": str, "reason": str},
}
_BY_CODE: Final = {kind.code: kind for kind in _EVIDENCE}


def write_refusal(error: LogError | LedgerError | OSError) -> bytes:
    """Write an error for the other side; one that it does not know as `SignerRefused`."""
    evidence = _EVIDENCE.get(type(error))  # type: ignore[arg-type] # others are not in the table
    if evidence is None:
        code = error.code if isinstance(error, LogError | LedgerError) else "file-error"
        return write_refusal(SignerRefused(code, str(error)))
    found = {name: _shown(getattr(error, name)) for name in evidence}
    return encode({"code": getattr(error, "code", ""), "evidence": found})


def read_refusal(payload: bytes) -> LogError:
    """Read an error that the other side wrote; `ProtocolBroken` where it is none of these."""
    try:
        document = decode(payload, limit=_BYTES_MAX)
        kind = _BY_CODE[document["code"]]
        types, evidence = _EVIDENCE[kind], document["evidence"]
        if set(document) == {"code", "evidence"} and set(evidence) == set(types):
            return kind(**{name: _read(evidence[name], name, types[name]) for name in types})
    except (Malformed, KeyError, TypeError):
        pass
    return ProtocolBroken("a refusal that is none")


def _shown(value: str | int | bytes) -> str | int:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        # A file may have any name; a document takes no control characters and no surrogates.
        return "".join(char if char.isprintable() else "?" for char in value)
    return value


def _read(value: object, name: str, kind: type) -> object:
    if kind is bytes:
        return hex32(value, field=name)
    if type(value) is not kind:
        raise Malformed(name, "is of another type")
    return value
