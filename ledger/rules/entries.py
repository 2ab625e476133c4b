"""An entry: the unit that is stored, hashed, linked, served and shipped.

Specification: docs/spec.md section 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.rules import outline, schema, text
from ledger.rules.canonical import decode, encode, loads_plainly
from ledger.rules.commands import (
    COMMAND_BYTES_MAX,
    SIGNERS_MAX,
    Command,
    command_of,
    command_pattern,
    command_read,
)
from ledger.rules.digests import leaf
from ledger.rules.errors import Malformed, TooLarge

ENTRY_BYTES_MAX = 65_535
EFFECTS_MAX = 1_000
INDEX_MAX = (1 << 53) - 1
_PATTERNS_KEPT = 256

_index = schema.whole(0, INDEX_MAX)
_COMMON: schema.Schema = {
    "at": schema.time,
    "data": schema.any_object,
    "index": _index,
    "log": schema.origin,
    "prev": schema.nullable(schema.hex32),
    "seq": _index,
    "stream": schema.stream,
    "type": schema.any_string,
    "v": schema.whole(1, 1),
}
_OWN: schema.Schema = _COMMON | {
    "command": schema.any_object,
    "effects": schema.whole(0, EFFECTS_MAX),
    "sigs": schema.items(schema.base64, least=1, most=SIGNERS_MAX),
}
_EFFECT: schema.Schema = _COMMON | {
    "cause": schema.hex32,
    "effect": schema.whole(1, EFFECTS_MAX),
}


DATA: dict[str, schema.Schema] = {}
"""Schemas of the data that outlines know, by type; filled by `ledger.rules.kinds`."""


class Entry(NamedTuple):
    """An entry as read. `raw` is what was hashed; exactly one of `command` and `cause` is set."""

    raw: bytes
    leaf: str
    document: dict[str, Any]
    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    stream: str
    seq: int
    prev: str | None
    type: str
    log: str
    at: int
    data: dict[str, Any]
    command: Command | None
    sigs: tuple[str, ...]
    effects: int
    cause: str | None
    effect: int


def read_entry(raw: bytes, *, leaf_hash: str | None = None) -> Entry:
    """Read an entry's canonical bytes.

    Args:
        raw: At most 65,535 bytes.
        leaf_hash: Their leaf hash in hex, where the caller has computed it already.

    Raises:
        Malformed: Not canonical, or not of the entry's schema.
        TooLarge: The command inside is too large.

    Spec: docs/spec.md section 6.1.

    """
    known = leaf_hash or leaf(raw)
    found = _outlined(raw, known) if len(raw) <= ENTRY_BYTES_MAX else None
    if found is not None:
        return found
    document = decode(raw, limit=ENTRY_BYTES_MAX, field="entry")
    if not isinstance(document, dict):
        raise Malformed("entry", "is not an object")
    schema.version(document, "entry")
    own = "command" in document
    schema.check_object(document, _OWN if own else _EFFECT, "entry")
    # The document re-encoded to `raw`, so these are the bytes inside it.
    command = command_of(encode(document["command"]), document["command"]) if own else None
    return entry_of(raw, known, document, command, at=text.time_us(document["at"], "entry.at"))


def _outlined(raw: bytes, known: str) -> Entry | None:
    """Read the bytes of an entry that are plainly in order; None where they must be looked at."""
    document = loads_plainly(raw)
    try:
        command = document.get("command")
        pattern = _pattern(document["type"], None if command is None else command["kind"])
        match = pattern and outline.compiled(pattern).fullmatch(raw.decode())
    except (AttributeError, KeyError, TypeError):
        return None
    if not match:
        return None
    at = text.time_us(document["at"], "entry.at")
    if command is None:
        return entry_of(raw, known, document, None, at=at)
    inside = match["command"].encode()
    if len(inside) > COMMAND_BYTES_MAX:
        raise TooLarge("the command is too large", bytes=len(inside), most=COMMAND_BYTES_MAX)
    return entry_of(raw, known, document, command_read(inside, command, matched=True), at=at)


@lru_cache(maxsize=_PATTERNS_KEPT)
def _pattern(type_: str, kind: str | None) -> str | None:
    """Write the entries of a type, with a command of a kind, as a regular expression."""
    command = None if kind is None else command_pattern(kind)
    if type_ not in DATA or (command is None and kind is not None):
        return None
    try:
        data = outline.object_pattern(DATA[type_])
    except outline.NoOutline:
        return None
    known = {"data": data, "type": f'"{re.escape(type_)}"'}
    if command is None:
        return outline.object_pattern(_EFFECT, **known)
    return outline.object_pattern(_OWN, command=f"(?P<command>{command})", **known)


def entry_of(
    raw: bytes, known: str, document: dict[str, Any], command: Command | None, *, at: int
) -> Entry:
    """Put together an entry whose fields were looked at already.

    Args:
        raw: Its bytes.
        known: Their leaf hash in hex.
        document: What they say.
        command: The command inside, None for an effect.
        at: The entry's time, in microseconds.

    Raises:
        Malformed: There are more than 65,535 bytes.

    """
    if len(raw) > ENTRY_BYTES_MAX:
        raise Malformed("entry", f"has {len(raw)} bytes, at most {ENTRY_BYTES_MAX} are accepted")
    own = command is not None
    # Not `Entry(...)`: calling the type once more costs as much as all that is put in.
    fields = (
        raw,
        known,
        document,
        document["index"],
        document["stream"],
        document["seq"],
        document["prev"],
        document["type"],
        document["log"],
        at,
        document["data"],
        command,
        tuple(document["sigs"]) if own else (),
        document["effects"] if own else 0,
        None if own else document["cause"],
        0 if own else document["effect"],
    )
    return tuple.__new__(Entry, fields)


class Place(NamedTuple):
    """Where an entry goes: its log, index, stream, position, link and time."""

    log: str
    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    stream: str
    seq: int
    prev: str | None
    at: str


def write_own(
    place: Place, type_: str, data: dict[str, Any], *, command: bytes, sigs: list[str], effects: int
) -> bytes:
    """Write the entry that carries a command, the signed bytes spliced in as they are."""
    return _splice(place, command, _own_rest(place, type_, data, sigs, effects))


def write_effect(
    place: Place, type_: str, data: dict[str, Any], *, cause: str, effect: int
) -> bytes:
    """Write the entry of a command's effect number `effect`; `cause` is the leaf of its entry."""
    return encode(_effect(place, type_, data, cause, effect))


def sealed_own(  # noqa: PLR0913 - what an entry holds
    place: Place,
    type_: str,
    data: dict[str, Any],
    command: Command,
    *,
    at: int,
    sigs: Sequence[str],
    effects: int,
) -> Entry:
    """Write the entry that carries a command, and return it as reading its bytes would.

    `at` is the time of its place, in microseconds.

    Raises:
        Malformed: The entry is too large.

    """
    document = _own_rest(place, type_, data, sigs, effects)
    raw = _splice(place, command.raw, document)
    document["at"], document["command"] = place.at, command.document
    return entry_of(raw, leaf(raw), document, command, at=at)


def sealed_effect(
    place: Place, type_: str, data: dict[str, Any], *, at: int, cause: str, effect: int
) -> Entry:
    """Write the entry of an effect, and return it as reading its bytes would.

    `cause` is the leaf of its command's entry, `at` the time of its place, in microseconds.

    Raises:
        Malformed: The entry is too large.

    """
    document = _effect(place, type_, data, cause, effect)
    raw = encode(document)
    return entry_of(raw, leaf(raw), document, None, at=at)


def _own_rest(
    place: Place, type_: str, data: dict[str, Any], sigs: Sequence[str], effects: int
) -> dict[str, Any]:
    """Return what the entry of a command holds, but for its time and the command itself."""
    return {
        "data": data,
        "effects": effects,
        "index": place.index,
        "log": place.log,
        "prev": place.prev,
        "seq": place.seq,
        "sigs": list(sigs),
        "stream": place.stream,
        "type": type_,
        "v": 1,
    }


def _splice(place: Place, command: bytes, rest: dict[str, Any]) -> bytes:
    # "at" < "command" < "data": the command stands in front of the rest, in key order.
    return b'{"at":"%b","command":%b,%b' % (place.at.encode(), command, encode(rest)[1:])


def _effect(
    place: Place, type_: str, data: dict[str, Any], cause: str, effect: int
) -> dict[str, Any]:
    return {
        "at": place.at,
        "cause": cause,
        "data": data,
        "effect": effect,
        "index": place.index,
        "log": place.log,
        "prev": place.prev,
        "seq": place.seq,
        "stream": place.stream,
        "type": type_,
        "v": 1,
    }
