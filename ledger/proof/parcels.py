"""Parcels beside the log: each stored one has the digest that its delivery says.

A delivery names the digest of a parcel whoever made it; the platform keeps those that it made
itself. Specification: docs/spec.md sections 7.2 and 15.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from ledger.proof.tables import compare, differs
from ledger.rules.entries import Entry

PARCELS = "SELECT order_id, line, digest, bytes FROM parcel ORDER BY order_id, line"
_COLUMNS = ("order_id", "line", "digest")
_DOMAIN = b"yinzheng/parcel/v1\n"
_DELIVERED = "lines-delivered/1"
_PLATFORM = "system"


class Parcels:
    """The parcels that a log names, to compare stored ones with."""

    def __init__(self) -> None:
        self._named: dict[tuple[Any, Any], tuple[bytes, Entry, bool]] = {}

    def observe(self, entry: Entry) -> None:
        """Remember what a replayed entry says of parcels."""
        if entry.type != _DELIVERED or entry.command is None:
            return
        body, ours = entry.command.body, entry.command.by == _PLATFORM
        for each in body["parcels"]:
            if each["parcel"] is not None:
                place = (body["order"], each["line"])
                self._named[place] = bytes.fromhex(each["parcel"]), entry, ours

    def check(self, stored: Iterable[tuple[Any, ...]]) -> int:
        """Compare every stored parcel.

        Args:
            stored: Rows of `PARCELS`.

        Returns:
            How many that the platform delivered are not there.

        Raises:
            Tampered: One was never delivered, or is another one than was.

        """
        left = dict(self._named)
        for order, line, digest, held in stored:
            named = left.pop((order, line), None)
            if named is None:
                compare("parcel", _COLUMNS, [], [(order, line, digest)], index_at=None)
                continue
            wanted, entry, _ = named
            if digest != wanted:
                raise differs("parcel.digest", entry, expected=wanted, found=digest)
            found = hashlib.sha256(_DOMAIN + held).digest() if isinstance(held, bytes) else None
            if found != wanted:
                raise differs("parcel.bytes", entry, expected=wanted, found=found)
        return sum(ours for _, _, ours in left.values())
