"""Canonical JSON: one value, one sequence of bytes.

RFC 8785 restricted to objects, arrays, strings, integers |n| < 2**53, booleans and null. Object
keys are schema field names, so that sorting by code point and by UTF-16 unit agree. Bytes are
accepted only if the value re-encodes to exactly these bytes; what was signed is what is kept.
Specification: docs/spec.md section 2.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Never

from ledger.rules.errors import Malformed

DEPTH_MAX = 32
INTEGER_LIMIT = 1 << 53
_INTEGER_DIGITS_MAX = 17

_KEY = re.compile(r"[a-z][a-z0-9_]*")
# What a canonical string may escape: quotation mark, backslash, newline, tab.
_ESCAPES = re.compile(rb'(?:[^\\]++|\\["\\nt])*+')
# A string that never ends is one token to the end: it must not be tried again from every quote.
_NESTING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)

_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_plain = json.JSONDecoder()
# Keys are few and come again and again.
_FIELD_NAMES_KEPT = 10_000
_field_names: set[str] = set()

Loads = Callable[[bytes], Any]
Dumps = Callable[[Any], bytes]


class _Fast:
    """A faster JSON library, where a program brings one: see `accelerate`."""

    loads: Loads | None = None
    dumps: Dumps | None = None


def accelerate(loads: Loads, dumps: Dumps) -> None:
    """Use a faster library for what it reads and writes exactly as the standard library does.

    Only agreement counts: what the faster one refuses, reads as something that does not encode to
    the same bytes, or cannot write, is left to the standard library, whose verdict is the one.

    Args:
        loads: Reads JSON; raises `ValueError` when it cannot.
        dumps: Writes JSON with sorted keys, no spaces, UTF-8; raises `TypeError` when it cannot.

    """
    _Fast.loads, _Fast.dumps = loads, dumps


def encode(value: Any) -> bytes:
    """Write a value that is known to be in the restricted form.

    Raises:
        Malformed: A string holds a lone surrogate.

    Spec: docs/spec.md section 2.1.

    """
    if _Fast.dumps is not None:
        try:
            return _Fast.dumps(value)
        except TypeError:
            # A lone surrogate, or a number that only the standard library writes.
            return _encode(value)
    return _encode(value)


def _encode(value: Any) -> bytes:
    try:
        return _encoder.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("document", "holds a lone surrogate") from None


def decode(data: bytes, *, limit: int, field: str = "document") -> Any:
    """Read canonical JSON.

    Args:
        data: The bytes.
        limit: Most bytes accepted.
        field: Name for the error.

    Raises:
        Malformed: Too long, not UTF-8, not JSON, nested too deeply, a float or a large number, a
            duplicate or strange key, or a second spelling of the same value.

    Spec: docs/spec.md section 2.1.

    """
    if len(data) > limit:
        raise Malformed(field, f"has {len(data)} bytes, at most {limit} are accepted")
    if data.startswith(b"\xef\xbb\xbf"):
        raise Malformed(field, "starts with a byte order mark")
    check_depth(data, field=field, most=DEPTH_MAX)
    if b"\\" not in data:
        try:
            value = _loads(data)
            if encode(value) == data and _is_restricted(value):
                return value
        except (ValueError, Malformed):
            # What is wrong with it is said below.
            pass
    return _decode(data, field)


def loads_plainly(data: bytes) -> Any:
    """Read JSON that is going to be looked at by other means; None when it cannot be read."""
    try:
        return _loads(data)
    except (ValueError, RecursionError):
        return None


def _loads(data: bytes) -> Any:
    if _Fast.loads is not None:
        return _Fast.loads(data)
    text = data.decode("utf-8")
    value, end = _plain.raw_decode(text)
    if end != len(text):
        raise ValueError(end)
    return value


def _decode(data: bytes, field: str) -> Any:
    """Read step by step, so that what is wrong can be named."""
    try:
        value = _decoder(field).decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed(field, "is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Malformed(field, f"is not JSON: {error.msg} at {error.pos}") from None
    try:
        again = _encode(value)
    except Malformed as error:
        raise Malformed(field, error.message) from None
    if again != data:
        raise Malformed(field, "is not canonical JSON: it has a second spelling")
    if b"\\" in data and not _ESCAPES.fullmatch(data):
        raise Malformed(field, "holds a control character")
    return value


def _is_restricted(value: Any) -> bool:
    """Say whether a value read from JSON holds only what the restricted form knows."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if key not in _field_names and not _is_field_name(key):
                return False
        value, kind = value.values(), list
    if kind is list:
        for inner in value:  # noqa: SIM110 - a generator costs as much again as what it asks
            if type(inner) is not str and not _is_restricted(inner):
                return False
        return True
    if kind is int:
        return bool(-INTEGER_LIMIT < value < INTEGER_LIMIT)
    return kind is str or value is None or kind is bool


def _is_field_name(key: str) -> bool:
    if not _KEY.fullmatch(key):
        return False
    if len(_field_names) < _FIELD_NAMES_KEPT:
        _field_names.add(key)
    return True


def check_depth(data: bytes, *, field: str, most: int) -> None:
    """Count nesting before anything is built: a parser may recurse.

    Raises:
        Malformed: There are more than `most` levels of objects and arrays.

    Spec: docs/spec.md section 2.1.

    """
    if data.count(b"[") + data.count(b"{") <= most:
        return
    depth = 0
    for token in _NESTING.finditer(data):
        first = token.group()[:1]
        if first in {b"[", b"{"}:
            depth += 1
            if depth > most:
                raise Malformed(field, f"is nested deeper than {most}")
        elif first in {b"]", b"}"}:
            depth -= 1


def _decoder(field: str) -> json.JSONDecoder:
    def integer(text: str) -> int:
        if len(text) > _INTEGER_DIGITS_MAX or abs(int(text)) >= INTEGER_LIMIT:
            raise Malformed(field, "holds an integer of 2**53 or more")
        return int(text)

    def number(text: str) -> Never:
        raise Malformed(field, f"holds a number that is not an integer: {text[:40]}")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise Malformed(field, "holds a duplicate key")
        for key in found:
            if not _KEY.fullmatch(key):
                raise Malformed(field, f"holds a key that is no field name: {key[:40]!r}")
        return found

    return json.JSONDecoder(
        parse_int=integer, parse_float=number, parse_constant=number, object_pairs_hook=pairs
    )
