"""Cursors: where the next page begins, pinned to a size of the log. Opaque to clients."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from ledger.rules.errors import Malformed
from ledger.rules.text import decimal

_FIELD = "query.cursor"
_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Cursor:
    """A page of what the first `size` entries say, from index `start` on."""

    size: int
    start: int


def write_cursor(size: int, start: int) -> str:
    """Write a cursor; it needs no escaping in a URL."""
    return base64.urlsafe_b64encode(f"{size}.{start}".encode()).decode("ascii").rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Read a cursor: exactly what `write_cursor` writes.

    Raises:
        Malformed: Anything else.

    """
    if len(text) > _LENGTH_MAX:
        raise Malformed(_FIELD, "is not a cursor")
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        size, _, start = raw.decode("ascii").partition(".")
    except (binascii.Error, UnicodeError):
        raise Malformed(_FIELD, "is not a cursor") from None
    cursor = Cursor(decimal(size, field=_FIELD), decimal(start, field=_FIELD))
    if write_cursor(cursor.size, cursor.start) != text or not 0 < cursor.start < cursor.size:
        raise Malformed(_FIELD, "is not a cursor")
    return cursor
