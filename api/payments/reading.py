"""JSON of a provider, read strictly: no name twice, no fraction, each field of its type."""

from __future__ import annotations

import json
from typing import Any

from ledger.rules.errors import Malformed


class StrictObject:
    """An object of a document, whose fields are read strictly."""

    def __init__(self, value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(field, "is not an object")
        self._value: dict[str, Any] = value
        self._field = field

    def text(self, name: str, otherwise: str | None = None) -> str:
        """Return a string, or `otherwise` where there is none. Raises `Malformed`."""
        found = self._value.get(name, otherwise)
        if not isinstance(found, str):
            raise Malformed(f"{self._field}.{name}", self._fault(name, "a string"))
        return found

    def whole(self, name: str) -> int:
        """Return a whole number. Raises `Malformed`."""
        found = self._value.get(name)
        if type(found) is not int:
            raise Malformed(f"{self._field}.{name}", self._fault(name, "a whole number"))
        return found

    def object(self, name: str) -> StrictObject:
        """Return an object inside it. Raises `Malformed`."""
        if name not in self._value:
            raise Malformed(f"{self._field}.{name}", "is missing")
        return StrictObject(self._value[name], f"{self._field}.{name}")

    def _fault(self, name: str, wanted: str) -> str:
        return f"is not {wanted}" if name in self._value else "is missing"


def read_json(data: bytes, field: str) -> Any:
    """Read JSON in which no name stands twice and no number has a fraction. Raises `Malformed`."""

    def refuse(_number: str) -> Any:
        raise Malformed(field, "holds a number that is not whole")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Malformed(field, "holds a name twice")
        return found

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=once,
            parse_float=refuse,
            parse_constant=refuse,
        )
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Malformed(field, "is not JSON in UTF-8") from None
